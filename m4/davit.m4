dnl DAVIT_WARNINGS: WARN_CFLAGS, and --enable-werror.
AC_DEFUN([DAVIT_WARNINGS], [
AC_ARG_ENABLE([werror],
	[AS_HELP_STRING([--enable-werror], [make warnings errors])],
	[], [enable_werror=no])
WARN_CFLAGS="-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
-Wpointer-arith -Wwrite-strings -Wformat=2 -Wvla -Wno-unused-parameter"
AS_IF([test "$enable_werror" = yes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
AC_SUBST([WARN_CFLAGS])
])

dnl DAVIT_SANITIZERS: SAN_CFLAGS, and --enable-sanitizers[=LIST].
AC_DEFUN([DAVIT_SANITIZERS], [
AC_ARG_ENABLE([sanitizers],
	[AS_HELP_STRING([--enable-sanitizers@<:@=LIST@:>@],
		[build with sanitizers (address,undefined)])],
	[], [enable_sanitizers=no])
AS_CASE([$enable_sanitizers],
	[no], [SAN_CFLAGS=],
	[yes], [SAN_CFLAGS="-fsanitize=address,undefined \
-fno-sanitize-recover=all -fno-omit-frame-pointer"],
	[SAN_CFLAGS="-fsanitize=$enable_sanitizers -fno-sanitize-recover=all \
-fno-omit-frame-pointer"])
AC_SUBST([SAN_CFLAGS])
AM_CONDITIONAL([SANITIZERS], [test "$enable_sanitizers" != no])
])

dnl DAVIT_FUZZERS: --enable-fuzzers builds libFuzzer targets (clang); after
dnl DAVIT_SANITIZERS.
AC_DEFUN([DAVIT_FUZZERS], [
AC_ARG_ENABLE([fuzzers],
	[AS_HELP_STRING([--enable-fuzzers],
		[build the fuzz targets with libFuzzer (CC=clang)])],
	[], [enable_fuzzers=no])
AS_IF([test "$enable_fuzzers" = yes],
	[SAN_CFLAGS="$SAN_CFLAGS -fsanitize=fuzzer-no-link"])
AM_CONDITIONAL([FUZZERS], [test "$enable_fuzzers" = yes])
])

dnl DAVIT_CRASHES: --enable-crash-points, for tests/t-crash.sh alone.
AC_DEFUN([DAVIT_CRASHES], [
AC_ARG_ENABLE([crash-points],
	[AS_HELP_STRING([--enable-crash-points],
		[let tests have programs die where they say; never in use])],
	[], [enable_crash_points=no])
AS_IF([test "$enable_crash_points" = yes],
	[AC_DEFINE([DAVIT_CRASH_POINTS], [1],
		[Programs die at points that DAVIT_CRASH names.])])
])

dnl DAVIT_LIBRARY(PREFIX, MODULE, DEBIAN PACKAGE): a needed library.
AC_DEFUN([DAVIT_LIBRARY], [
PKG_CHECK_MODULES([$1], [$2], [],
	[AC_MSG_ERROR([$2 is needed; on Debian: apt-get install $3])])
])

dnl DAVIT_BROTLI: libbrotlienc, unless --without-brotli.
AC_DEFUN([DAVIT_BROTLI], [
AC_ARG_WITH([brotli],
	[AS_HELP_STRING([--without-brotli],
		[make no .br files beside those of a site])],
	[], [with_brotli=yes])
AS_IF([test "$with_brotli" != no], [
	DAVIT_LIBRARY([BROTLI], [libbrotlienc], [libbrotli-dev])
	AC_DEFINE([HAVE_BROTLI], [1], [Define to 1 to compress by brotli.])])
])

dnl DAVIT_LIBS3: --with-libs3.  The archive, since its calls of libcurl are
dnl renamed; nothing could be renamed in a shared library.
AC_DEFUN([DAVIT_LIBS3], [
AC_ARG_WITH([libs3],
	[AS_HELP_STRING([--with-libs3@<:@=ARCHIVE@:>@],
		[build 'store libs3' with libs3.a (where it is found)])],
	[], [with_libs3=check])
LIBS3_ARCHIVE=
AS_CASE([$with_libs3],
	[no], [],
	[check | yes], [LIBS3_ARCHIVE=`$CC -print-file-name=libs3.a`],
	[LIBS3_ARCHIVE=$with_libs3])
AC_CHECK_TOOL([OBJCOPY], [objcopy])
PKG_CHECK_MODULES([XML2], [libxml-2.0], [have_xml2=yes], [have_xml2=no])
AC_CHECK_HEADER([libs3.h], [], [LIBS3_ARCHIVE=])
AC_MSG_CHECKING([for libs3.a])
AS_IF([test ! -f "$LIBS3_ARCHIVE" || test -z "$OBJCOPY" ||
	test "$have_xml2" = no], [LIBS3_ARCHIVE=])
AC_MSG_RESULT([${LIBS3_ARCHIVE:-no}])
AS_IF([test -n "$LIBS3_ARCHIVE"],
	[AC_DEFINE([HAVE_LIBS3], [1], [Define to build 'store libs3'.])],
	[AS_CASE([$with_libs3], [no | check], [XML2_LIBS=],
		[AC_MSG_ERROR([libs3.a, libs3.h, libxml2 and objcopy are needed;
 on Debian: apt-get install libs3-dev libxml2-dev binutils])])])
AC_SUBST([LIBS3_ARCHIVE])
AM_CONDITIONAL([WITH_LIBS3], [test -n "$LIBS3_ARCHIVE"])
])

dnl DAVIT_SSH: libssh2 where it is found, unless --without-libssh2.
AC_DEFUN([DAVIT_SSH], [
AC_ARG_WITH([libssh2],
	[AS_HELP_STRING([--without-libssh2],
		[fetch nothing over ssh (where libssh2 is not found)])],
	[], [with_libssh2=check])
have_ssh=no
AS_IF([test "$with_libssh2" != no],
	[PKG_CHECK_MODULES([SSH2], [libssh2 >= 1.9], [have_ssh=yes], [:])])
AS_IF([test "$with_libssh2$have_ssh" = yesno],
	[AC_MSG_ERROR([libssh2 is needed; on Debian: apt-get install libssh2-1-dev])])
AM_CONDITIONAL([WITH_SSH], [test "$have_ssh" = yes])
])
