/* What S3 servers answer, and what they should not, for tests/fake_http.h. */
#ifndef DAVIT_TESTS_S3_ANSWERS_H
#define DAVIT_TESTS_S3_ANSWERS_H

#define CLOSE "Connection: close\r\n"
#define ETAG "ETag: \"0123\"\r\n"
#define EMPTY "Content-Length: 0\r\n\r\n"
#define STORED "HTTP/1.1 200 OK\r\n" CLOSE ETAG EMPTY
#define GONE "HTTP/1.1 204 No Content\r\n" CLOSE "\r\n"
#define XML(status, body) \
	"HTTP/1.1 " status "\r\n" CLOSE "Content-Type: application/xml\r\n\r\n" \
	"<?xml version=\"1.0\"?>\n" body
/* Servers repeat what was signed; none of it may get into a message. */
#define ERROR(status, code) \
	XML(status, "<Error><Code>" code "</Code><Message>Words &amp; more" \
	"</Message><AWSAccessKeyId>id</AWSAccessKeyId><SignatureProvided>" \
	"5167</SignatureProvided><Region>eu-north-7</Region></Error>")
#define HTML(status) \
	"HTTP/1.1 " status "\r\n" CLOSE "Content-Type: text/html\r\n\r\n" \
	"<html><body><h1>Sorry</h1></body></html>"
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"
#define DATA "0123456789"
#define WHOLE \
	"HTTP/1.1 206 Partial\r\n" CLOSE ETAG "Content-Length: 10\r\n" \
	"Content-Range: bytes 0-9/10\r\n\r\n" DATA
#define PUT_A "PUT /bucket/dist/a HTTP/1.1"
#define GET_A "GET /bucket/dist/a HTTP/1.1"
#define HEAD_A "HEAD /bucket/dist/a HTTP/1.1"

#define TURN(wanted, ...) { .expect = wanted, .answer = __VA_ARGS__ }
#define TURNS(...) \
	(const struct fake_turn[]){ __VA_ARGS__ }, \
	    N(((const struct fake_turn[]){ __VA_ARGS__ }))

#endif
