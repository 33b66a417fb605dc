/*
 * The one error convention of this house.
 *
 * A function that can fail returns 0 or -1 (or a pointer or NULL) and takes a
 * struct err * last.  The struct is the caller's, of fixed size, with nothing
 * to free; NULL means "I don't care".  The lowest layer that knows what went
 * wrong sets it, layers above may put words in front, and only the top of a
 * program (main, the responder loop, the end of a build) prints it.
 *
 * A code is for decisions: the HTTP status, the exit status, whether to try
 * again.  Its name is the "error" that users meet in JSON, and each one has a
 * hint: what the person who meets it can do.  davit-errors(7) explains them.
 */
#ifndef DAVIT_LIB_ERR_H
#define DAVIT_LIB_ERR_H

#include <stddef.h>

/* X(code, name, hint) */
#define ERR_CODES(X) \
	/* of the platform itself */ \
	X(ERR_INTERNAL, "internal_error", \
	    "This is a fault of the platform; its log has the details.") \
	X(ERR_UNAVAILABLE, "unavailable", \
	    "A part of the platform does not answer; try again shortly.") \
	X(ERR_QUEUE_FULL, "queue_full", \
	    "Too many deployments wait; try again when some are done.") \
	X(ERR_STORE, "store_unavailable", \
	    "The object store does not answer; try again shortly.") \
	X(ERR_TIMEOUT, "timeout", \
	    "Try again; if it stays, look whether the peer is overloaded.") \
	X(ERR_REMOTE, "bad_gateway", \
	    "A peer answered with an error; its words are in the message.") \
	X(ERR_CONFIG, "bad_configuration", \
	    "Mend the named line of davit.conf; see davit.conf(5).") \
	/* of a request */ \
	X(ERR_INVALID, "bad_request", \
	    "Correct the named field and send the request again.") \
	X(ERR_UNAUTHORIZED, "unauthorized", \
	    "Send 'Authorization: Bearer TOKEN' with a token of this site.") \
	X(ERR_DENIED, "forbidden", \
	    "Ask this site's operator for access; see 'tokens' in " \
	    "davit.conf(5).") \
	X(ERR_NOTFOUND, "not_found", "Check the address.") \
	X(ERR_METHOD, "method_not_allowed", \
	    "Use one of the methods that the Allow header names.") \
	X(ERR_CONFLICT, "conflict", \
	    "The deployment is no longer in a state that allows this.") \
	X(ERR_GONE, "gone", "Deploy it again from its repository.") \
	X(ERR_TOOBIG, "too_large", "Send a smaller body.") \
	/* of fetching a repository */ \
	X(ERR_FETCH_FAILED, "fetch_failed", \
	    "Try again; if it stays, look whether the git host is healthy.") \
	X(ERR_FETCH_TIMEOUT, "fetch_timeout", \
	    "Try again; a large repository may need a higher fetch_time.") \
	X(ERR_REPO_NOTFOUND, "repository_not_found", \
	    "Check the URL: 'git ls-remote URL' must list its branches.") \
	X(ERR_REPO_PRIVATE, "repository_private", \
	    "Give a token that may read it, \"auth\": {\"token\": …}, or make it " \
	    "public.") \
	X(ERR_REF_NOTFOUND, "ref_not_found", \
	    "Name a branch, a tag or a full commit id of the repository.") \
	X(ERR_DIR_NOTFOUND, "dir_not_found", \
	    "Name a directory that the source holds.") \
	X(ERR_REPO_TOOBIG, "repository_too_large", \
	    "Take large files out, or ask the operator to raise the bound.") \
	X(ERR_REPO_UNSAFE, "repository_unsafe", \
	    "Remove the named entry from the repository.") \
	X(ERR_REPO_EMPTY, "repository_empty", \
	    "Push a commit to the repository first.") \
	X(ERR_ARCHIVE, "archive_invalid", \
	    "Make it with 'git archive HEAD' or 'tar -c .'; gzip, bzip2, xz " \
	    "and zstd are understood.") \
	X(ERR_ADDRESS, "address_forbidden", \
	    "Private addresses are fetched from only where allow_hosts in " \
	    "davit.conf names them.") \
	/* of a build */ \
	X(ERR_SERVER_FRAMEWORK, "server_framework", \
	    "davit serves files: switch the framework to its static export.") \
	X(ERR_NO_PLAN, "no_build", \
	    "Give 'build' and 'output', or add an index.html.") \
	X(ERR_NO_IMAGE, "no_image", \
	    "The operator has to make the builder image: " \
	    "worker/image/build-image.") \
	X(ERR_DOCKER, "docker_unavailable", \
	    "The container engine does not answer; the build waits for it.") \
	X(ERR_INSTALL, "install_failed", \
	    "The log's end tells why; the same install command must pass on " \
	    "a clean checkout.") \
	X(ERR_BUILD, "build_failed", \
	    "The log's end tells why; the same build command must pass on a " \
	    "clean checkout.") \
	X(ERR_OUTPUT_MISSING, "output_missing", \
	    "Set 'output' to the directory that the build writes.") \
	X(ERR_OUTPUT_EMPTY, "output_empty", \
	    "The output directory holds no file: look at the build's log.") \
	X(ERR_OUTPUT_TOOBIG, "output_too_large", \
	    "Make the site smaller, or ask the operator to raise the bound.") \
	X(ERR_OUTPUT_UNSAFE, "output_unsafe", \
	    "Remove the named entry from the output directory.") \
	X(ERR_BUILD_TIMEOUT, "build_timeout", \
	    "Make the build shorter, or ask the operator for more build_time.") \
	X(ERR_BUILD_OOM, "build_oom", \
	    "Make the build use less memory, or ask the operator for more " \
	    "build_memory.") \
	X(ERR_BUILD_DISK, "build_disk", \
	    "Make the build write less, or ask the operator for more " \
	    "build_disk.") \
	X(ERR_WORKER_LOST, "worker_lost", \
	    "The worker died while building this; deploy it again.") \
	X(ERR_CANCELED, "canceled", "Deploy it again if that was an accident.")

#define ERR_ENUM(code, name, hint) code,
enum err_code {
	ERR_NONE,
	ERR_CODES(ERR_ENUM)
	ERR_NCODES
};
#undef ERR_ENUM

#define ERR_MSG_SIZE 480

struct err {
	enum err_code code;
	int sys;		/* errno where it was the cause, else 0 */
	char msg[ERR_MSG_SIZE];
};

/* Set code and sentence; any earlier one is gone.  Gives -1. */
int err_set(struct err *, enum err_code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Set ERR_INTERNAL with the sentence and what errno says.  Gives -1. */
int err_errno(struct err *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Put "words: " before the sentence that is there.  Gives -1. */
int err_within(struct err *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Change the code, keep the sentence.  Gives -1. */
int err_recode(struct err *, enum err_code);

/* "repository_not_found"; never NULL. */
const char *err_name(enum err_code);

/* What to do about it; never NULL. */
const char *err_hint(enum err_code);

/* The code of that name, or ERR_NONE. */
enum err_code err_by_name(const char *name);

#endif
