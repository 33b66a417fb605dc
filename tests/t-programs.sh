#!/bin/bash
# Web servers that run programs wherever they find them: PHP's own module
# (libapache2-mod-php as Debian sets it up), CGI, server-side includes and
# whatever else catches a name or a type.  What a site holds is shown, never
# run; what the server's own directory holds is run, or nothing was tested.
# shellcheck disable=SC2119,SC2154

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"
# shellcheck source=services.sh
. "$here/services.sh"
# shellcheck source=site-fixture.sh
. "$here/site-fixture.sh"

modules=/usr/lib/apache2/modules
php=$(find $modules -name 'libphp*.so' | sort | tail -n 1)
need jq curl apache2 lighttpd
[ -n "$php" ] || skip_all 'no libapache2-mod-php'
services_begin
write_conf

# Each would say "ran 42" if it were run.
page='<p>ran <?php echo 6*7; ?></p>'
script=$'#!/bin/sh\nprintf "Content-Type: text/plain\\n\\nran %d" $((6*7))\n'
include='<p>ran <!--#exec cmd="expr 6 \* 7" --></p>'
echoes='<p>ran <!--#echo var="DOCUMENT_NAME" --></p>'
declare -A holds=([index.php]=$page [x.php]=$page [x.phtml]=$page
	[x.phar]=$page [x.PHP]=$page [x.php.jpg]=$page [x.jpg.php]=$page
	[x.php5]=$page [x.phps]=$page [x.cgi]=$script [x.pl]=$script
	[cgi-bin/x]=$script [x.shtml]=$include [x.stm]=$echoes
	[bit.html]=$include)
id=programs01
put $id index.html home
for file in "${!holds[@]}"; do
	put $id "$file" "${holds[$file]}"
	chmod 755 "$T/store/dist/$id/$file"
	mkdir -p "$T/run/$(dirname "$file")"
	cp -p "$T/store/dist/$id/$file" "$T/run/$file"
done
manifest $id false
own "$T/store" "$T/run"

shown() { # SERVER
	local file path wrong
	for file in "${!holds[@]}"; do
		path=/${file%.html}
		get $id "$path"
		if [ "$code" = 200 ] &&
		    [ "$(<"$T/body")" = "${holds[$file]%$'\n'}" ]; then
			ok "$1: $file is shown"
		else
			not_ok "$1: $file is shown" "$code $(body)"
		fi
	done
	# Nor is a program found in front of what else is in the path.
	for path in /x.php/y /x.cgi/y /index.php/ /x.php%00.jpg /x.php/y.jpg; do
		get $id "$path"
		wrong=$(body)
		like "$code ${wrong/*ran 42*/ran}" '^40[04] .*[^n]$' \
			"$1: $path is nothing"
	done
	get $id / -H 'Accept: application/x-httpd-php'
	is "$code $(body)" '200 home' "$1: index.php is no front page"
	get $id /index.php -X POST -d a=b
	is "$code" 405 "$1: nor is anything posted to it"
}

runs_its_own() { # SERVER FILE…
	local server=$1 file
	shift
	for file; do
		get 127.0.0.1 "/$file"
		like "$(body)" 'ran 42' "$server: its own $file is run"
	done
}

# PHP's module wants the MPM that Debian switches to along with it.
enabled=("LoadModule php_module $php"
	"LoadModule include_module $modules/mod_include.so"
	"LoadModule actions_module $modules/mod_actions.so"
	'<FilesMatch ".+\.ph(?:ar|p|tml)$">
		SetHandler application/x-httpd-php
	</FilesMatch>
	<FilesMatch ".+\.phps$">
		SetHandler application/x-httpd-php-source
	</FilesMatch>
	AddHandler application/x-httpd-php .php5 .php
	AddHandler cgi-script .cgi .pl
	AddType text/html .shtml .stm
	AddOutputFilter INCLUDES .shtml .stm .html
	XBitHack full
	ScriptAlias /cgi-bin/ "'"$T/run/cgi-bin/"'"
	<Directory />
		Options +ExecCGI +Includes +MultiViews
	</Directory>
	<Directory "'"$T/run"'">
		Require all granted
	</Directory>
	<Location />
		Options +ExecCGI +Includes
	</Location>
	DirectoryIndex index.php index.html')

prefork() {
	sed "s|^LoadModule mpm_event_module .*|LoadModule mpm_prefork_module \
		$modules/mod_mpm_prefork.so|" | sed 's|^LoadModule cgid_module.*|'"\
		LoadModule cgi_module $modules/mod_cgi.so"'|; /^ScriptSock/d'
}
eval "event_$(declare -f httpd_conf)"
httpd_conf() { # DIRECTORY PORT
	event_httpd_conf "$@" | prefork
}

for server in apache apache_proxy; do
	start_$server "${enabled[@]}"
	runs_its_own $server x.php x.phtml x.php.jpg x.cgi x.shtml bit.html
	shown $server
	stop_apache
done

start_lighttpd 'server.modules += ( "mod_cgi", "mod_ssi" )' \
	'cgi.assign = ( ".php" => "/bin/cat", ".cgi" => "", ".pl" => "" )' \
	'ssi.extension = ( ".shtml", ".stm", ".html" )' \
	'index-file.names = ( "index.php", "index.html" )' \
	'static-file.exclude-extensions = ( ".php", ".cgi" )'
shown lighttpd
stop_lighttpd
done_testing
