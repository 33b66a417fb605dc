#!/usr/bin/perl
# An S3 server that is overloaded at times: s3_proxy.pl PORT BACKEND FILE.
# BACKEND, an honest server's host:port, gets what comes to 127.0.0.1:PORT, but
# for requests "METHOD PATH" that the expression in FILE matches: these are
# answered by 503 SlowDown, and stand in "FILE.refused", a line each.
use strict;
use warnings;
use IO::Socket::INET;

my ($port, $backend, $file) = @ARGV;

sub is_refused {
	my ($what) = @_;
	open(my $fh, '<', $file) or return 0;
	chomp(my $expression = <$fh> // '');
	return $expression ne '' && $what =~ /$expression/;
}

sub refuse {
	my ($client, $what) = @_;
	my $body = $what =~ /^HEAD/ ? '' : '<?xml version="1.0"?>' .
	    '<Error><Code>SlowDown</Code>' .
	    '<Message>Reduce your request rate.</Message></Error>';
	open(my $log, '>>', "$file.refused") or die "$file.refused: $!";
	syswrite($log, "$what\n");
	print $client join("\r\n", 'HTTP/1.1 503 Slow Down',
	    'Content-Type: application/xml', 'Connection: close',
	    'Content-Length: ' . length $body, '', $body);
}

sub serve {
	my ($client) = @_;
	my ($head, $left, $data) = ('', 0, undef);
	while (defined(my $line = <$client>)) {
		last if $line eq "\r\n";
		$left = $1 if $line =~ /^Content-Length: ([0-9]+)/i;
		$head .= $line unless $line =~ /^(Connection|Expect):/i;
		print $client "HTTP/1.1 100 Continue\r\n\r\n"
		    if $line =~ /^Expect:/i;
	}
	my ($what) = $head =~ m{^(\w+ [^ ?]+)} or return;
	my $refused = is_refused($what);
	my $server = IO::Socket::INET->new(PeerAddr => $backend) or return;
	print $server "${head}Connection: close\r\n\r\n" unless $refused;
	for (; $left > 0; $left -= length $data) {
		read($client, $data, $left < 65536 ? $left : 65536) or return;
		print $server $data unless $refused;
	}
	return refuse($client, $what) if $refused;
	print $client $data while read($server, $data, 65536);
}

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64,
    LocalPort => $port, ReuseAddr => 1) or die "listen: $!";
$SIG{CHLD} = $SIG{PIPE} = 'IGNORE';
$SIG{TERM} = sub { $SIG{TERM} = 'IGNORE'; kill('TERM', -$$); exit };
setpgrp;
while (my $client = $listener->accept) {
	$client->autoflush;
	next if fork;
	$SIG{TERM} = 'DEFAULT';
	alarm 60;
	serve($client);
	exit 0;
}
