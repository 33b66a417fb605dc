#!/bin/sh
# Make configure; only for builds from a git checkout.
cd "$(dirname "$0")" && exec autoreconf -fi
