# httpd.sh - an Apache of its own in one directory, for quickstart.sh and the
# tests, to be sourced.

# shellcheck shell=bash

# httpd.conf up to what is the caller's: modules, files below DIRECTORY, and
# on 127.0.0.1 by that name git's smart HTTP for DIRECTORY/git.
httpd_conf() { # DIRECTORY PORT
	local module file
	for module in mpm_event authz_core cgid fcgid rewrite headers alias \
		mime dir env setenvif filter unixd; do
		file=/usr/lib/apache2/modules/mod_$module.so
		# Some are compiled in, which ones depends on the release.
		[ ! -e "$file" ] ||
			printf 'LoadModule %s_module %s\n' "$module" "$file"
	done
	cat <<-END
		ServerRoot $1
		ServerName 127.0.0.1
		DefaultRuntimeDir $1/run
		PidFile $1/run/apache.pid
		Listen 127.0.0.1:$2
		LogLevel warn
		TypesConfig /etc/mime.types
		DocumentRoot $1/run
		ScriptSock $1/run/cgid.sock
		FcgidIPCDir $1/run/fcgid
		FcgidProcessTableFile $1/run/fcgid.shm
		<VirtualHost *:$2>
			ServerName 127.0.0.1
			SetEnv GIT_PROJECT_ROOT $1/git
			SetEnv GIT_HTTP_EXPORT_ALL 1
			SetEnvIf Git-Protocol (.*) GIT_PROTOCOL=\$1
			ScriptAlias /git/ /usr/lib/git-core/git-http-backend/
			<Directory /usr/lib/git-core>
				Require all granted
			</Directory>
		</VirtualHost>
	END
}
