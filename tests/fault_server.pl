#!/usr/bin/perl
# fault_server.pl PORT BACKEND - a git host that misbehaves, on 127.0.0.1.
#
# The first part of the path names the fault.  Those that concern the pack
# pass everything else through from BACKEND, an honest server's base URL:
#
#	/401 /403 /404 /429 /500	that status
#	/silent /html /loop /login	no answer; a page; redirects
#	/moved /inward /elsewhere	a redirect that works; that must not
#	/cut /clean /reset		half of the pack, in three ways
#	/flip /sum			one bit of the pack, of its checksum
#	/progress /billion /nothing	endless words; 2^32-1 objects; no pack
#	/drip				a byte now and then
#	/race				the wanted commit is gone meanwhile
#
# On the same port, git:// with those names is silent, or cut after its first
# words.

use strict;
use warnings;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER);

my ($port, $backend) = @ARGV;
my ($origin, $base) = $backend =~ m{^http://([^/]+)(/.*)$};
my $tail = '/info/refs?service=git-upload-pack';
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', ReuseAddr => 1,
    LocalPort => $port, Listen => 16) or die "listen: $!";
$SIG{CHLD} = 'IGNORE';
$SIG{TERM} = sub { $SIG{TERM} = 'IGNORE'; kill('TERM', -$$); exit };
setpgrp;

while (my $client = $server->accept) {
	next if fork;
	close $server;
	$SIG{TERM} = 'DEFAULT';
	alarm 60;
	serve($client);
	exit;
}

sub serve {
	my ($c) = @_;
	my ($head, $body) = ('', '');
	return serve_git($c) if is_git($c);
	while ($head !~ /\r\n\r\n/) {
		sysread($c, $head, 4096, length $head) or return;
	}
	($head, $body) = split /\r\n\r\n/, $head, 2;
	my $want = $head =~ /^Content-Length: (\d+)/mi ? $1 : 0;
	while (length $body < $want) {
		sysread($c, $body, 4096, length $body) or return;
	}
	my ($method, $fault, $rest) = $head =~ m{^(\w+) /([^/]+)(\S*)} or
	    return;
	answer($c, $method, $fault, $rest, $head, $body);
}

sub is_git {
	my ($c) = @_;
	recv($c, my $first, 4, MSG_PEEK) // return 0;
	return $first =~ /^[0-9a-f]{4}$/;
}

sub serve_git {
	my ($c) = @_;
	sysread($c, my $hello, 4096);
	sleep 60 if $hello =~ /silent/;
	syswrite($c, "000eversion 2\n0012fetch=sh") if $hello =~ /cut/;
}

sub reply {
	my ($c, $status, $type, $body, @more) = @_;
	syswrite($c, join("\r\n", "HTTP/1.1 $status", "Content-Type: $type",
	    'Content-Length: ' . length $body, 'Connection: close', @more, '',
	    $body));
}

sub redirect {
	my ($c, $to) = @_;
	reply($c, '302 Found', 'text/html', '<html>', "Location: $to");
}

sub answer {
	my ($c, $method, $fault, $rest, $head, $body) = @_;
	return reply($c, "$fault No", 'text/html', '<html>no</html>')
	    if $fault =~ /^\d+$/;
	sleep 60 if $fault eq 'silent';
	return reply($c, '200 OK', 'text/html', '<html>hello</html>')
	    if $fault eq 'html';
	return redirect($c, "/loop$rest") if $fault eq 'loop';
	return redirect($c, '/sign_in') if $fault eq 'login';
	return redirect($c, "http://$origin$base$rest") if $fault eq 'moved';
	return redirect($c, "http://10.0.0.1/x$tail") if $fault eq 'inward';
	return redirect($c, "ftp://127.0.0.1/x$tail") if $fault eq 'elsewhere';
	$body =~ s/want [0-9a-f]{40}/'want ' . '0' x 39 . '1'/e
	    if $fault eq 'race';
	my $honest = ask($method, $rest, $head, $body);
	return syswrite($c, $honest) if $body !~ /want / || $fault eq 'race';
	spoil($c, $fault, split(/(?<=\r\n\r\n)/, $honest, 2));
}

# The honest server's answer, whole; HTTP/1.0 keeps it from being chunked.
sub ask {
	my ($method, $rest, $head, $body) = @_;
	my $s = IO::Socket::INET->new($origin) or die "$origin: $!";
	my @keep = $head =~ /^((?:Content-Type|Git-Protocol): [^\r\n]*)/mgi;
	syswrite($s, join("\r\n", "$method $base$rest HTTP/1.0",
	    "Host: $origin", 'Content-Length: ' . length $body, @keep, '',
	    $body));
	local $/;
	my $all = <$s>;
	$all =~ s/\r\n(Connection: [^\r]*|Keep-Alive: [^\r]*)//gi;
	$all =~ s/\r\n/\r\nConnection: close\r\n/;
	return $all;
}

sub packet {
	my ($data) = @_;
	return sprintf('%04x', 4 + length $data) . $data;
}

sub spoil {
	my ($c, $fault, $head, $body) = @_;
	my $half = int(length($body) / 2);
	my $bare = $head =~ s/\r\nContent-Length: \d+//ri;
	if ($fault eq 'cut') {
		$head = $bare =~ s/\r\n/"\r\nContent-Length: ".length($body)."\r\n"/re;
		syswrite($c, $head . substr($body, 0, $half));
	} elsif ($fault eq 'clean') {
		syswrite($c, $bare . substr($body, 0, $half));
	} elsif ($fault eq 'reset') {
		syswrite($c, $bare . substr($body, 0, $half));
		setsockopt($c, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
	} elsif ($fault eq 'flip') {
		substr($body, $half, 1) ^= "\x10";
		syswrite($c, $head . $body);
	} elsif ($fault eq 'sum') {
		substr($body, -length('0000') - 10, 1) ^= "\x10";
		syswrite($c, $head . $body);
	} elsif ($fault eq 'progress') {
		syswrite($c, $bare . packet("packfile\n")) or return;
		1 while syswrite($c, packet("\2" . 'busy ' x 1000));
	} elsif ($fault eq 'billion') {
		syswrite($c, $bare . packet("packfile\n") .
		    packet("\1PACK\0\0\0\2\377\377\377\377") . '0000');
	} elsif ($fault eq 'nothing') {
		syswrite($c, $bare . packet("packfile\n") .
		    packet("\1no pack at all") . '0000');
	} elsif ($fault eq 'drip') {
		syswrite($c, $bare) or return;
		for my $byte (split //, $body) {
			syswrite($c, $byte) or return;
			select(undef, undef, undef, 0.3);
		}
	}
}
