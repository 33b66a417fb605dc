#!/usr/bin/perl
# openapi.pl SPEC DIR - hold recorded answers against an OpenAPI 3.1 file.
#
# DIR holds a folder per exchange with "request" (METHOD PATH), "head" (status
# line and headers) and "body".  Prints TAP points without numbers, "ok NAME"
# or "not ok NAME: WHY", for each exchange, and for each documented status
# whether an exchange reached it.  Of JSON Schema it knows what our file uses,
# and refuses a keyword that it does not know.

use strict;
use warnings;
use B;
use JSON::PP;

my ($file, $dir) = @ARGV;
my $spec = decode_json(slurp($file));
my %reached;

sub slurp {
	my ($path) = @_;
	open my $in, '<:raw', $path or die "$path: $!\n";
	local $/;
	return scalar(<$in>) // '';
}

# What a "$ref" leads to.
sub resolve {
	my ($node) = @_;
	while (ref $node eq 'HASH' && exists $node->{'$ref'}) {
		my $to = $spec;
		$to = $to->{$_} for grep { $_ ne '#' } split m{/}, $node->{'$ref'};
		die "no such \$ref: $node->{'$ref'}\n" unless $to;
		$node = $to;
	}
	return $node;
}

sub type_of {
	my ($v) = @_;
	return 'null' unless defined $v;
	return 'object' if ref $v eq 'HASH';
	return 'array' if ref $v eq 'ARRAY';
	return 'boolean' if JSON::PP::is_bool($v);
	my $flags = B::svref_2object(\$v)->FLAGS;
	return 'string' if $flags & B::SVf_POK;
	return $flags & B::SVf_IOK ? 'integer' : 'number';
}

my %check = (
	type => sub {
		my ($v, $want, $type) = @_;
		grep { $_ eq $type } ref $want ? @$want : $want;
	},
	enum => sub { my ($v, $of) = @_; grep { $_ eq $v } @$of },
	const => sub {
		my ($v, $is, $type) = @_;
		$type eq type_of($is) && $v eq $is;
	},
	pattern => sub { my ($v, $re, $type) = @_; $type ne 'string' || $v =~ /$re/ },
	minimum => sub { my ($v, $n, $type) = @_; $type ne 'integer' || $v >= $n },
	maximum => sub { my ($v, $n, $type) = @_; $type ne 'integer' || $v <= $n },
	minLength => sub { my ($v, $n, $type) = @_; $type ne 'string' || length $v >= $n },
	maxLength => sub { my ($v, $n, $type) = @_; $type ne 'string' || length $v <= $n },
	required => sub {
		my ($v, $names, $type) = @_;
		$type ne 'object' || !grep { !exists $v->{$_} } @$names;
	},
);
my %elsewhere = map { $_ => 1 } qw(properties additionalProperties items
	description examples default);

# Why value is not of that schema; '' where it is.
sub problem {
	my ($v, $schema, $at) = @_;
	$schema = resolve($schema);
	if (my $some = $schema->{oneOf}) {
		my @why = map { problem($v, $_, $at) } @$some;
		return (grep { !$_ } @why) == 1 ? '' : $why[0] || "$at: oneOf";
	}
	my $type = type_of($v);
	for my $key (sort keys %$schema) {
		next if $elsewhere{$key};
		die "openapi.pl knows no '$key'\n" unless $check{$key};
		return "$at: $key" unless $check{$key}->($v, $schema->{$key}, $type);
	}
	if ($type eq 'object') {
		for my $name (sort keys %$v) {
			my $of = $schema->{properties}{$name} //
				$schema->{additionalProperties} // JSON::PP::false;
			return "$at.$name: not documented" unless ref $of eq 'HASH';
			my $why = problem($v->{$name}, $of, "$at.$name");
			return $why if $why;
		}
	} elsif ($type eq 'array') {
		return "$at: not documented" unless $schema->{items};
		for my $i (0 .. $#$v) {
			my $why = problem($v->[$i], $schema->{items}, "$at\[$i]");
			return $why if $why;
		}
	}
	return '';
}

# The template that a path fits; one without parameters before others.
sub template_of {
	my ($path) = @_;
	$path =~ s/\?.*//;
	for my $template (sort { ($a =~ /\{/) <=> ($b =~ /\{/) } keys %{$spec->{paths}}) {
		my $re = join '[^/]+', map { quotemeta } split /\{[^}]*\}/, $template, -1;
		return $template if $path =~ /^$re$/;
	}
	return;
}

sub read_head {
	my ($text) = @_;
	my ($first, @lines) = split /\r?\n/, $text;
	my ($status) = $first =~ m{^HTTP/\S+ (\d+)};
	return ($status, map { /^([^:]+):\s*(.*)/ ? (lc $1 => $2) : () } @lines);
}

sub body_problem {
	my ($content, $type, $body) = @_;
	return length $body ? 'a body is not documented' : '' unless $content;
	my $media = $content->{$type // ''} or return "Content-Type: " . ($type // 'none');
	return '' unless $type eq 'application/json';
	my $value = eval { decode_json($body) };
	return 'body: no JSON' if $@;
	return problem($value, $media->{schema}, 'body');
}

sub exchange_problem {
	my ($method, $path, $status, $headers, $body) = @_;
	my $template = template_of($path) or return 'the path is not documented';
	my $item = $spec->{paths}{$template};
	# A method that is not there is answered as the others say: 405.
	my ($one) = grep { $_ ne 'parameters' } sort keys %$item;
	my $name = $item->{lc $method} ? lc $method : $one;
	my $answer = resolve($item->{$name}{responses}{$status})
		or return "status $status is not documented";
	$reached{"$name $template $status"} = 1;
	for my $header (sort keys %{$answer->{headers} // {}}) {
		my $of = resolve($answer->{headers}{$header});
		my $value = $headers->{lc $header};
		return "header $header: missing" if $of->{required} && !defined $value;
		my $why = defined $value ? problem("$value", $of->{schema}, $header) : '';
		return $why if $why;
	}
	return body_problem($answer->{content}, $headers->{'content-type'}, $body);
}

sub point {
	my ($name, $why) = @_;
	print $why ? "not ok $name: $why\n" : "ok $name\n";
}

for my $folder (sort glob "$dir/*") {
	chomp(my $request = slurp("$folder/request"));
	my ($method, $path) = split / /, $request, 2;
	my ($status, %headers) = read_head(slurp("$folder/head"));
	point("$request: $status", exchange_problem($method, $path, $status,
		\%headers, slurp("$folder/body")));
}
for my $template (sort keys %{$spec->{paths}}) {
	my $item = $spec->{paths}{$template};
	for my $method (grep { $_ ne 'parameters' } sort keys %$item) {
		point("\U$method\E $template: $_ is met with",
			$reached{"$method $template $_"} ? '' : 'it is not')
			for sort keys %{$item->{$method}{responses}};
	}
}
