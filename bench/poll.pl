#!/usr/bin/perl
# Polls of GET /status/ID on one connection; "COUNT P99-µs WORST-µs".
#
#	poll.pl PORT ID SECONDS		as many as there may be
#	poll.pl PORT ID FILE		50 a second, as long as FILE is there
use strict;
use warnings;
use IO::Socket::INET;
use Time::HiRes qw(time sleep);

my ($port, $id, $until) = @ARGV;
my $seconds = $until =~ /^\d+$/;
my $end = time + ($seconds ? $until : 0);
my ($c, @us);
while ($seconds ? time < $end : -e $until) {
	my $start = time;
	$c ||= IO::Socket::INET->new("127.0.0.1:$port") or die "$!\n";
	print $c "GET /status/$id HTTP/1.1\r\nHost: davit.test\r\n\r\n";
	my ($length, $close, $first) = (0, 0);
	while (my $head = <$c>) {
		$first //= $head;
		$length = $1 if $head =~ /^content-length: (\d+)/i;
		$close = 1 if $head =~ /^connection: close/i;
		last if $head eq "\r\n";
	}
	die $first // "no answer\n" unless defined $first && $first =~ / 200 /;
	read $c, (my $body), $length;
	push @us, int((time - $start) * 1e6);
	undef $c if $close;
	my $rest = 0.02 - (time - $start);
	sleep $rest if !$seconds && $rest > 0;
}
@us = sort { $a <=> $b } @us;
printf "%d %d %d\n", scalar @us, $us[$#us * 0.99], $us[-1];
