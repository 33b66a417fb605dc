#!/usr/bin/perl
# The storm of tests/chaos: keeps services running, submits to them, and kills
# one of their processes every 50 to 500 ms.
#
#	chaos.pl DIRECTORY PORT SECONDS SEED
#
# DIRECTORY/services holds a line "NAME COMMAND…" a service.  What comes of it
# is in DIRECTORY/chaos: "accepted" (an id and its repository a line),
# "canceled" and "deleted" (ids), "kills" (a name a line), "lies" (states that
# went backwards, sites that are not what they were), "calm" once the storm is
# over.  Services then run on until SIGTERM.
use strict;
use warnings;
use IO::Socket::INET;
use JSON::PP;
use POSIX ':sys_wait_h';
use Time::HiRes qw(sleep time);

my ($dir, $port, $seconds, $seed) = @ARGV;
my $SUBMITTERS = 3;
# How often each is the victim: what others depend on is killed less, so that
# something is built at all.
my %weight = (
	'submit.fcgi' => 6, 'api.fcgi' => 6, 'site.fcgi' => 3,
	'davit-fetch' => 6,
	'davit-build' => 4, davitd => 2, apache => 3, httpd => 1, redis => 2,
);
my %final = map { $_ => 1 } qw(deployed failed canceled);
my %rank = (queued => 1, building => 2, publishing => 3,
    map { $_ => 4 } keys %final);
my (%command, %pid, @submitters);

$SIG{PIPE} = 'IGNORE';

sub note { # FILE TEXT
	my ($file, $text) = @_;
	open(my $fh, '>>', "$dir/chaos/$file") or die "$file: $!";
	syswrite($fh, "$text\n");
}

# --- services, and what a supervisor does for them ---

sub run_service {
	my ($name) = @_;
	# As the init system does with what the last one has left.
	kill('KILL', victims($name eq 'apache' ? ('apache',
	    qw(submit.fcgi api.fcgi site.fcgi)) : ()));
	$pid{$name} = fork() // die "fork: $!";
	return if $pid{$name} != 0;
	$SIG{TERM} = 'DEFAULT';
	open(STDOUT, '>>', "$dir/log/$name") and open(STDERR, '>&', \*STDOUT)
	    and exec(qw(setpriv --pdeathsig KILL), @{ $command{$name} });
	die "$name: $!";
}

sub supervise {
	while ((my $gone = waitpid(-1, WNOHANG)) > 0) {
		my ($name) = grep { $pid{$_} == $gone } keys %pid;
		run_service($name) if defined $name;
		@submitters = grep { $_ != $gone } @submitters;
	}
}

# --- killing ---

# Our processes by what they run: { NAME => [PID…] }.
sub processes {
	my %found;
	for my $proc (glob '/proc/[0-9]*') {
		my $exe = readlink "$proc/exe" or next;
		my $name = $exe =~ m{^\Q$dir\E/libexec/([^ ]+)} ? $1
		    : $exe =~ m{/apache2$} && is_ours($proc) ? 'apache' : next;
		push @{ $found{$name} }, $proc =~ /(\d+)/;
	}
	return \%found;
}

sub is_ours {
	my ($proc) = @_;
	open(my $fh, '<', "$proc/cmdline") or return 0;
	return (<$fh> // '') =~ m{\Q$dir\E/};
}

sub victims { # NAME…
	my $found = processes();
	return map { @{ $found->{$_} // [] } } @_;
}

sub kill_one {
	my $found = processes();
	$found->{redis} = [$pid{redis}];
	# Apache's first process goes by itself, as its children do.
	$found->{httpd} = [$pid{apache}];
	$found->{apache} = [grep { $_ != $pid{apache} }
	    @{ $found->{apache} // [] }];
	my @names = map { ($_) x $weight{$_} }
	    grep { @{ $found->{$_} // [] } } sort keys %weight;
	return if !@names;
	my $name = $names[rand @names];
	my @pids = @{ $found->{$name} };
	note('kills', $name) if kill('KILL', $pids[rand @pids]);
}

# --- users ---

sub ask { # HOST METHOD PATH [BODY]: status, text
	my ($host, $method, $path, $body) = @_;
	my $text = defined $body ? encode_json($body) : '';
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
	    PeerPort => $port, Timeout => 5) or return (0, undef);
	my $answer = '';
	local $SIG{ALRM} = sub { close($socket) };
	alarm(30);
	print $socket "$method $path HTTP/1.0\r\nHost: $host\r\n",
	    'Content-Length: ', length $text, "\r\n\r\n$text";
	$socket->flush;
	$answer .= $_ while defined($_ = readline $socket);
	alarm(0);
	my ($head, $rest) = split(/\r\n\r\n/, $answer, 2);
	return (0, undef) if ($head // '') !~ m{^HTTP/1\.\d (\d+)};
	return ($1 + 0, $rest);
}

sub call { # METHOD PATH [BODY]: status, JSON
	my ($status, $json) = ask('davit.test', @_);
	return ($status, scalar eval { decode_json($json) });
}

# What is deployed is served, or its server has just died: a page that is not
# there (the way of all requests to site.fcgi), and one that is.
sub visit {
	my ($id) = @_;
	for my $page ('index.html', 'none', '') {
		my ($status) = ask("$id.davit.test", 'GET', "/$page");
		note('lies', "$id is deployed, but /$page is $status")
		    if $status == ($page eq 'none' ? 200 : 404);
	}
}

# Gone once and for all, when that was said.
sub delete_it {
	my ($id) = @_;
	my ($status, $answer) = call('DELETE', "/deployments/$id");
	return if $status != 200 || !$answer->{deleted};
	note('deleted', $id);
	($status) = ask("$id.davit.test", 'GET', '/index.html');
	note('lies', "$id is deleted, and served") if $status == 200;
}

sub submit {
	my ($repository) = @_;
	my ($status, $answer) = call('POST', '/get/url',
	    { url => "http://127.0.0.1:$port/git/$repository.git",
	    $repository eq 'built' ? 
	    (build => 'sh make', output => 'out') : () });
	return if $status !~ /^20[02]$/ || !$answer || !$answer->{id};
	note('accepted', "$answer->{id} $repository");
	return $answer->{id};
}

# See it through, and whether what is said of it stays true.
sub follow {
	my ($id, $until, $cancel_at) = @_;
	my ($last, $state) = (0, '');
	while (time < $until) {
		my ($status, $record) = call('GET', "/status/$id");
		if ($status == 200 && $record) {
			my $now = $record->{attempt} * 10 +
			    $rank{$record->{state}};
			note('lies', "$id $state, then $record->{state}")
			    if $now < $last || ($final{$state} &&
			    $record->{state} ne $state);
			($last, $state) = ($now, $record->{state});
			if ($final{$state}) {
				visit($id) if $state eq 'deployed';
				delete_it($id) if rand() < 0.2;
				return;
			}
		} elsif ($status == 404) {
			note('lies', "$id is not known");
		}
		if ($cancel_at && time > $cancel_at) {
			($status, my $answer) =
			    call('POST', "/deployments/$id/cancel");
			note('canceled', $id)
			    if $status == 200 && $answer->{canceled};
			$cancel_at = 0;
		}
		sleep(0.1 + rand 0.3);
	}
}

sub user {
	my ($end) = @_;
	while (time < $end) {
		my $id = submit(rand() < 0.6 ? 'plain' : 'built');
		if (!defined $id) {
			sleep(0.1);
			next;
		}
		follow($id, time + 10,
		    rand() < 0.2 ? time + rand 3 : 0);
	}
}

# --- the storm ---

srand($seed);
open(my $services, '<', "$dir/services") or die "services: $!";
while (<$services>) {
	my ($name, @words) = split;
	$command{$name} = \@words;
}
$SIG{TERM} = sub {
	kill('TERM', values %pid);
	waitpid($_, 0) for values %pid;
	kill('KILL', @submitters);
	exit 0;
};
run_service($_) for sort keys %command;
my $end = time + $seconds;
for my $n (1 .. $SUBMITTERS) {
	my $child = fork() // die "fork: $!";
	if ($child == 0) {
		$SIG{TERM} = 'DEFAULT';
		srand($seed + $n);
		user($end);
		exit 0;
	}
	push @submitters, $child;
}
sleep(2);
while (time < $end) {
	sleep(0.05 + rand 0.45);
	kill_one();
	supervise();
}
# What they ask for after that would be seen half-done.
while (@submitters) {
	supervise();
	sleep(0.05);
}
note('calm', 'now');
for (;;) {
	supervise();
	sleep(0.05);
}
