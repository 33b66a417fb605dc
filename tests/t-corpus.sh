#!/bin/bash
# Six of the projects of corpus.sh, the small ones, of each package manager.
# Needs what builds need: npm's registry.
CORPUS_QUICK=1 exec bash "$(dirname "$0")/corpus.sh" vite-vanilla vite-preact \
	vite-lit-ts vite-svelte vite-vue-ts vite-react-ts
