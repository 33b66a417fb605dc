#!/usr/bin/perl
# A bad line to Redis: redis_proxy.pl LISTEN TARGET MODE, two unix sockets and
# a file.  What the file holds goes for what is answered from then on:
#
#	pass	as it is
#	slow N	each answer N ms late
#	cut N	N bytes on a connection, then its end
#	refuse	connections end at once
use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;
use Time::HiRes 'sleep';

my ($listen, $target, $file) = @ARGV;

sub mode {
	open(my $fh, '<', $file) or return ('pass', 0);
	my ($word, $n) = split(' ', <$fh> // '');
	return ($word // 'pass', $n // 0);
}

sub serve {
	my ($client) = @_;
	my $server = IO::Socket::UNIX->new(Peer => $target) or return;
	my $select = IO::Select->new($client, $server);
	my $sent = 0;
	for (;;) {
		for my $from ($select->can_read) {
			sysread($from, my $data, 65536) or return;
			if ($from == $client) {
				syswrite($server, $data);
				next;
			}
			my ($word, $n) = mode();
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
