/*
 * Every limit that is not a key of davit.conf, each with its reason.  A size
 * or a count from outside is held against one of these before it is used.
 */
#ifndef DAVIT_LIB_BOUNDS_H
#define DAVIT_LIB_BOUNDS_H

/* A deployment's id: 10 of [a-z0-9] are 51 bits, and fit a DNS label. */
#define ID_LENGTH 10

/* A URL: what browsers and proxies accept without trouble. */
#define URL_MAX_BYTES 2048

/* An alias: a host of the DNS. */
#define ALIAS_MAX_BYTES 253

/* aliases/{name}.json, with all of its history. */
#define ALIAS_FILE_MAX_BYTES (64 * 1024)

/* A user name, password or token for a git host; JWTs are the longest. */
#define LOGIN_MAX_BYTES 4096

/* A private key (RSA of 16384 bits has 13 KB), and known hosts; both travel in
 * one pipe, which takes 64 KiB. */
#define KEY_FILE_MAX_BYTES (16 * 1024)
#define KNOWN_HOSTS_MAX_BYTES (32 * 1024)

/* A ref name: git itself refuses over 255 in a path segment; two segments. */
#define REF_MAX_BYTES 512

/* A path inside a repository, an output or a key: S3's own limit. */
#define KEY_MAX_BYTES 1024
#define PATH_MAX_BYTES 900	/* leaves room for "dist/{id}/" and ".br" */
#define PATH_MAX_DEPTH 64

/* How long a URL to an object in S3 is good for: S3's own limit. */
#define STORE_URL_MAX_S (7 * 24 * 3600)

/* A request's JSON body. */
#define BODY_MAX_BYTES (64 * 1024)

/* A command ("install", "build") in a request. */
#define COMMAND_MAX_BYTES 4096

/* The environment of a build: names and values of a request. */
#define ENV_MAX_COUNT 100
#define ENV_MAX_BYTES (32 * 1024)

/* How deep JSON from outside may nest. */
#define JSON_MAX_DEPTH 32

/* JSON that one of our own processes or the Docker Engine writes. */
#define JSON_MAX_BYTES (16 * 1024 * 1024)

/* A file that planning reads: a package.json beyond this is no such thing. */
#define PLAN_FILE_MAX_BYTES (512 * 1024)

/* Submodules of one fetch, and how deep one may hold another: each keeps a
 * descriptor and costs a connection. */
#define SUBMODULES_MAX 32
#define SUBMODULES_MAX_DEPTH 4

/* A .gitignore; and rules in all of them, against quadratic matching. */
#define IGNORE_FILE_MAX_BYTES (256 * 1024)
#define IGNORE_MAX_RULES 20000

/* Headers of an HTTP answer that we read, from any server. */
#define HTTP_HEADERS_MAX_BYTES (256 * 1024)

/* An error body that is quoted in a message. */
#define HTTP_QUOTE_MAX_BYTES 200

/* davit.conf, tokens and key files. */
#define CONF_MAX_BYTES (256 * 1024)

/* The last lines of a log that a failed record carries. */
#define LOG_TAIL_BYTES 2000

/* How long the source of a commit may be used again: a day's pushes and tries,
 * and what was taken out of a repository is not deployed for ever. */
#define REUSE_MS (24 * 60 * 60 * 1000)

/* One answer of GET /log; and of one with a time before each line, which may
 * be as short as its newline. */
#define LOG_ANSWER_MAX_BYTES (1024 * 1024)
#define LOG_STAMPED_MAX_BYTES (128 * 1024)

/* When the parts of a log came: at most this much is remembered, and no more
 * often than this. */
#define LOG_TIMES_MAX_BYTES (128 * 1024)
#define LOG_TIMES_STEP_MS 250

/* How often an id whose worker died is tried. */
#define ATTEMPTS_MAX 3

#endif
