#!/bin/bash
# davit's own sources, with what autogen.sh makes among them, through
# davit-fetch: as git archive and git check-ignore have them.  The others of
# real-repos.sh need a network.

: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
export top_srcdir
exec bash "$top_srcdir/tests/real-repos.sh" davit
