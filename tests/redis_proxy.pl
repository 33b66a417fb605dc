#!/usr/bin/perl
# A bad line to Redis: redis_proxy.pl LISTEN TARGET MODE, two unix sockets and
# a file.  What the file holds goes for what is answered from then on:
#
#	pass	as it is
#	slow N	each answer N ms late
#	cut N	N bytes on a connection, then its end
#	refuse	connections end at once
#	say X	Redis hears nothing: "-X" is the answer to each command, and a
#		line in "FILE.heard"
use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;
use Time::HiRes 'sleep';

my ($listen, $target, $file) = @ARGV;

sub mode {
	open(my $fh, '<', $file) or return ('pass', 0);
	my ($word, $n) = split(' ', <$fh> // '', 2);
	return ($word // 'pass', $n // 0);
}

# Take the first command off, and tell its name; undef where it is not whole.
sub command {
	my ($data) = @_;
	$$data =~ /^\*([0-9]+)\r\n/ or return;
	my ($left, $at, $name) = ($1, $+[0], undef);
	for (; $left > 0; $left--) {
		pos($$data) = $at;
		$$data =~ /\G\$([0-9]+)\r\n/ or return;
		my ($from, $size) = ($+[0], $1);
		$name //= substr($$data, $from, $size);
		$at = $from + $size + 2;
		return if $at > length $$data;
	}
	substr($$data, 0, $at, '');
	return $name;
}

sub say_no {
	my ($client, $heard, $words) = @_;
	while (defined(my $name = command($heard))) {
		open(my $log, '>>', "$file.heard") or die "$file.heard: $!";
		syswrite($log, "$name\n");
		syswrite($client, "-$words\r\n");
	}
}

sub serve {
	my ($client) = @_;
	my $server = IO::Socket::UNIX->new(Peer => $target) or return;
	my $select = IO::Select->new($client, $server);
	my ($sent, $heard) = (0, '');
	for (;;) {
		for my $from ($select->can_read) {
			sysread($from, my $data, 65536) or return;
			my ($word, $n) = mode();
			if ($from == $client && $word eq 'say') {
				chomp $n;
				$heard .= $data;
				say_no($client, \$heard, $n);
				next;
			} elsif ($from == $client) {
				syswrite($server, $data);
				next;
			}
			sleep($n / 1000) if $word eq 'slow';
			if ($word eq 'cut' && $sent + length $data > $n) {
				syswrite($client, $data, $n - $sent)
				    if $n > $sent;
				return;
			}
			$sent += syswrite($client, $data) // return;
		}
	}
}

unlink $listen;
my $l = IO::Socket::UNIX->new(Local => $listen, Listen => 64) or die "$listen: $!";
$SIG{CHLD} = $SIG{PIPE} = 'IGNORE';
while (my $client = $l->accept) {
	next if (mode())[0] eq 'refuse';
	next if fork;
	$SIG{CHLD} = 'DEFAULT';
	serve($client);
	exit 0;
}
