#!/usr/bin/perl
# ignore_corpus.pl DIRECTORY [SEED [COUNT]] - directories with a .gitignore
# and the same files each: patterns that were thought of, and COUNT by chance.
#
# SEED is 1 where none is given, so that a failure can be seen again.

use strict;
use warnings;
use File::Path qw(make_path);

my ($top, $seed, $count) = (@ARGV, 1, 300)[0 .. 2];
$count = $ARGV[2] // 300;
srand($seed);

my @files = ('a', 'b', 'ab', 'abc', 'c', 'foo', 'foo.o', 'foo.txt', 'FOO',
    'foo ', 'foo bar', '!x', '#x', '[a]', 'a*b', 'a?b', 'x-y', 'x]y', '{a}',
    "caf\xc3\xa9", '.hidden', 'bar/foo', 'bar/foo.o', 'bar/.hidden',
    'bar/baz/foo', 'bar/baz/a.o', 'd/a/b/c', 'd/a/foo', 'd/foo/a',
    'd/foo/b/a', 'foox/y/bar', 'foox/bar', 'x/y/z/foo/bar/a', '7', '1a', '-',
    'keep/.gitkeep', 'bar.d/a');

# One .gitignore a line, in Perl's double quotes; "|" and a path begins
# another one in a directory of the case.
my @thought = map { eval qq("$_") } split /\n/, <<'END';
a
/a
a/
a/b
/d/a
d/a/
d/*
d/**
d/**/
**/a
**/foo
**/foo/**
d/**/a
d/**/b/**
**
**/
*
*/
/*
/*/
*/*
*.o
*.o\n!foo.o
!foo.o\n*.o
*\n!*.txt
*\n!*/\n!*.txt
bar\n!bar/foo
bar/\n!bar/foo
bar/*\n!bar/foo
bar/**\n!bar/**/\n!bar/baz/foo
/bar/*\n!/bar/baz
foo*
foo**
**foo
f**o
foo**/bar
foo*/bar
foo**/y/**
d/**foo
d/foo**
d/**/**/a
d/**/**
d/***/a
***
x/**/foo
x/y/**/foo/*/a
x/*/foo
x/**/a
?
??
a?b
d?a
d/?/b
[ab]
[a-c]
[!a]
[^a]
[!a-c]*
[]]
x[]]y
x[]-]y
x[!]]y
[[]a]
\\[a]
[\\[]a]
[a
[a-
[]
[!]
[a\\]
[a\\]b]
[\\]]
x[\\]]y
[a-\\c]
[c-a]
[-]
[--0]
[!-]
[*]
[?]
a[*]b
a[/]b
d[/]a
d[!x]a
d/[!x]/b
[[:alpha:]]
[[:digit:]]*
[[:upper:]]*
[![:alnum:]]*
[[:space:]]*
*[[:space:]]
*[[:blank:]]*
[[:punct:]]*
[[:xdigit:]]
[[:nope:]]
[[:alpha:]
[[:alpha]]
[[:]a]
[[:alpha:][:digit:]]*
[:alpha:]
\\a
\\!x
!x
\\#x
#x
 #x
a\\
\\
\\\\
a\\*b
a*b
a\\?b
foo\\ 
foo 
foo  
foo\\  
foo\\ bar
foo bar
 foo
foo\t
\tfoo
foo\r
foo\r\nb\r
foo\r\r
\r
\n\n\nfoo
\xef\xbb\xbffoo
\xef\xbb\xbf#foo
\xef\xbb\xbf\n#foo
foo\0bar
\0foo
/
//
//a
/a/
/a//
a//b
./a
../a
!
!!x
!/a
!a\na
a\n!a
a\n!a\na
*\n!/a
*\n!/bar\n!/bar/*
/*\n!/bar
/*\n!/bar/\n/bar/*\n!/bar/foo
.*
.hid*
*/.hidden
bar/.hidden
.gitignore
keep/*\n!.gitkeep
keep/*\n!keep/.gitkeep
keep/\n!.gitkeep
caf?
caf??
caf[\xc3]?
caf\xc3\xa9
FOO
{a}
{a,b}
-
--
7
*.d
bar.*
bar.d/
*a
*a*
*a*b*
*.*
*.?
a.o
baz/a.o
/baz
bar/baz/
bar/baz
bar/**/foo
bar/**/baz
b*r/*
b*/**/foo
d/a/b/c
d/a/b
d/a\n!d/a/b/c
d/*/b
d/*/foo
d/*/*
d/**/c
d/**/?
foo/
foo/*
foo/**
**/foo/*
**/b/a
/foo/
*|bar/!foo
*.o|bar/!*.o
bar/|bar/!*
foo|bar/!foo|bar/baz/foo
a|d/!a|d/foo/a
/foo|bar/foo
!foo|bar/foo
*|d/!*|d/a/b
d/a|d/!a
d/a|d/!/a
|bar/baz/*\n!foo
|bar//foo
|bar//baz/foo
|bar/baz/
|d/a/b/**
|d/**/a
|d//**/a
END

my @pieces = ('a', 'b', 'c', 'foo', 'bar', 'd', 'x', '.o', '*', '*', '**',
    '**/', '/**', '/', '/', '?', '[ab]', '[!a]', '[a-f]', '[[:alpha:]]', '\\',
    '!', '#', ' ', '-', ']', '[', 'baz', 'y/', '.');

sub by_chance {
	my @lines;
	for (0 .. rand 3) {
		my $n = 1 + rand 6;
		push @lines, (rand() < 0.2 ? '!' : '') .
		    (rand() < 0.15 ? '/' : '') .
		    join('', map { $pieces[rand @pieces] } 1 .. $n) .
		    (rand() < 0.15 ? '/' : '');
	}
	unshift @lines, '*' if $lines[0] =~ /^!/ && rand() < 0.5;
	return join("\n", @lines) . (rand() < 0.1 ? '' : "\n");
}

sub put {
	my ($path, $text) = @_;
	make_path($path =~ s{/[^/]*$}{}r);
	open(my $f, '>:raw', $path) or die "$path: $!";
	print $f $text;
	close $f or die "$path: $!";
}

my $n = 0;
for my $rules (@thought, map { by_chance() } 1 .. $count) {
	my $case = sprintf('%s/c%04d', $top, $n++);
	put("$case/$_", '') for @files;
	my @parts = $rules =~ /\|/ && $n <= @thought ? split(/\|/, $rules)
	    : ($rules);
	put("$case/.gitignore", shift @parts);
	for (@parts) {
		my ($dir, $text) = m{^((?:bar/baz|bar|d/a/b|d/foo|d)/)(.*)$}s
		    or die "no directory: $_";
		put("$case/$dir.gitignore", $text);
	}
}
