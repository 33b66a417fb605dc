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
