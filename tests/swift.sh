# swift.sh - OpenStack Swift with its S3 API, from Debian's packages, in one
# directory: an S3 server that checks signatures, hashes and clocks.  To be
# sourced after services.sh and services_begin.
#
#	start_swift	$S3_URL (path style), $S3_VIRTUAL_URL, $T/s3.keys
#	start_tls		$S3_TLS_URL, $T/ca.pem; what is asked for is in
#	restart_tls		$T/run/requests, "METHOD PATH" a line
#	make_bucket NAME URL	the bucket NAME, and $T/NAME.conf for it
#	swift_api METHOD BUCKET/KEY [CURL OPTION…]	past davit and S3
#	stop_swift
#
# One process a server, and no replication: it is ready in some seconds.  Its
# data wants extended attributes, which ext4, xfs and tmpfs have.  All that is
# read outside is /etc/swift/swift.conf, as the package made it.

# shellcheck shell=bash disable=SC2034

swift_servers='account container object proxy'
swift_ip=127.0.0.1	# where its S3 API is
declare -A swift_port

# "name = value" lines that all servers share.
swift_defaults() { # SERVER
	cat <<-END
		[DEFAULT]
		bind_ip = $([ "$1" = proxy ] && echo "$swift_ip" || echo 127.0.0.1)
		bind_port = ${swift_port[$1]}
		workers = 0
		user = $(id -un "${swift_user:?}")
		swift_dir = $T/swift
		devices = $T/swift/node
		mount_check = false
		disable_fallocate = true
		log_level = ERROR
		log_address = $T/swift/no-syslog
	END
}

swift_proxy_conf() {
	swift_defaults proxy
	cat <<-END
		client_timeout = 60
		[pipeline:main]
		pipeline = catch_errors gatekeeper healthcheck cache \
			listing_formats s3api tempauth bulk slo proxy-server
		[app:proxy-server]
		use = egg:swift#proxy
		allow_account_management = true
		account_autocreate = true
		[filter:s3api]
		use = egg:swift#s3api
		location = us-east-1
		storage_domain = localhost
		s3_acl = false
		[filter:tempauth]
		use = egg:swift#tempauth
		user_test_tester = testing .admin
		[filter:cache]
		use = egg:swift#memcache
		memcache_servers = 127.0.0.1:${swift_port[memcached]}
	END
	for filter in catch_errors gatekeeper healthcheck listing_formats \
		bulk slo; do
		printf '[filter:%s]\nuse = egg:swift#%s\n' $filter $filter
	done
}

swift_conf() {
	local server
	mkdir -p "$T/swift/node/d1"
	swift_proxy_conf >"$T/swift/proxy-server.conf"
	for server in account container object; do
		{
			swift_defaults $server
			printf '[pipeline:main]\npipeline = %s-server\n' $server
			printf '[app:%s-server]\nuse = egg:swift#%s\n' \
				$server $server
		} >"$T/swift/$server-server.conf"
		(
			cd "$T/swift" || exit
			swift-ring-builder $server.builder create 4 1 0 &&
				swift-ring-builder $server.builder add \
					"r1z1-127.0.0.1:${swift_port[$server]}/d1" 1 &&
				swift-ring-builder $server.builder rebalance
		) >>"$T/log/swift-rings" 2>&1 || return
	done
}

swift_answers() {
	[ "$(curl -s --noproxy '*' --max-time 2 \
		"http://$swift_ip:${swift_port[proxy]}/healthcheck")" = OK ]
}

start_swift() {
	local server
	need swift-proxy-server swift-object-server swift-container-server \
		swift-account-server swift-ring-builder memcached curl
	swift_user=$([ "$(id -u)" -eq 0 ] && echo www-data || id -un)
	for server in memcached $swift_servers; do
		swift_port[$server]=$(free_port)
	done
	swift_conf || {
		not_ok 'swift gets its rings' "$(tail "$T/log/swift-rings")"
		exit 1
	}
	own "$T/swift"
	start memcached memcached -l 127.0.0.1 -U 0 -m 32 \
		-p "${swift_port[memcached]}" -u "$swift_user"
	for server in $swift_servers; do
		start swift-$server swift-$server-server \
			"$T/swift/$server-server.conf"
	done
	poll_until 240 swift_answers || {
		not_ok 'swift starts' "$(tail -n 5 "$T"/log/swift-*)"
		exit 1
	}
	S3_URL=http://$swift_ip:${swift_port[proxy]}
	S3_VIRTUAL_URL=http://localhost:${swift_port[proxy]}
	(umask 077 && printf 'test:tester\ntesting\n' >"$T/s3.keys")
	own "$T/s3.keys"
}

# The suite of drivers makes the bucket that it is to run in.
make_bucket() { # NAME URL [LINE…]
	local name=$1 url=$2
	shift 2
	write_conf "store s3 $url/$name" "store_keys $T/s3.keys" "$@"
	mv "$T/davit.conf" "$T/$name.conf"
	DAVIT_TEST_STORE=$T/$name.conf DAVIT_TEST_ONLY='bad_conf*' \
		"$top_builddir/tests/test_store" >"$T/log/$name" 2>&1 && return
	not_ok "the bucket $name is made" "$(tail "$T/log/$name")"
	exit 1
}

swift_api() { # METHOD BUCKET/KEY [CURL OPTION…]
	local method=$1 path=$2 token
	shift 2
	token=$(curl -sS --noproxy '*' -D - -o /dev/null "$S3_URL/auth/v1.0" \
		-H 'X-Auth-User: test:tester' -H 'X-Auth-Key: testing' |
		tr -d '\r' | sed -n 's/^X-Auth-Token: //Ip')
	curl -sSf --noproxy '*' --max-time 60 -X "$method" \
		-H "X-Auth-Token: $token" "$@" "$S3_URL/v1/AUTH_test/$path"
}

stop_swift() {
	local server
	for server in $swift_servers memcached; do
		stop "$([ "$server" = memcached ] || echo swift-)$server"
	done
}

# TLS before Swift, by an Apache with a certificate for "localhost" alone that
# only $T/ca.pem makes trusted: $S3_TLS_URL.
start_tls() {
	local module file port
	need apache2 openssl
	port=$(free_port)
	S3_TLS_URL=https://localhost:$port
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost -keyout "$T/tls.key" \
		-out "$T/ca.pem" 2>>"$T/log/openssl"
	chmod 644 "$T/ca.pem"
	own "$T/tls.key"
	{
		for module in mpm_event authz_core unixd socache_shmcb ssl \
			proxy proxy_http; do
			file=/usr/lib/apache2/modules/mod_$module.so
			[ ! -e "$file" ] || # compiled in
				printf 'LoadModule %s_module %s\n' $module "$file"
		done
		cat <<-END
			ServerRoot $T
			ServerName localhost
			DefaultRuntimeDir $T/run
			PidFile $T/run/tls.pid
			ErrorLog $T/log/tls
			CustomLog $T/run/requests "%m %U"
			Listen 127.0.0.1:$port
			SSLEngine on
			SSLCertificateFile $T/ca.pem
			SSLCertificateKeyFile $T/tls.key
			ProxyPreserveHost on
			ProxyPass / $S3_URL/ nocanon
		END
	} >"$T/tls.conf"
	restart_tls
}

restart_tls() {
	stop tls
	start tls apache2 -f "$T/tls.conf" -DFOREGROUND
	must_start tls curl -s -o /dev/null --noproxy '*' --cacert "$T/ca.pem" \
		"$S3_TLS_URL/healthcheck"
}
