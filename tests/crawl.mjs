// crawl.mjs - what a browser sees of sites, on davit and on a plain server.
//
//	node crawl.mjs CHROMIUM DIRECTORY <SITES
//
// SITES is JSON: {port: {davit, plain}, pages, sites: [{name, id}]}.  A site
// is http://ID.davit.test:PORT/ here and http://ID.plain.test:PORT/ there.
// Its pages are found link by link, those that scripts make as well.  A JSON
// line a site says what was broken here alone, there alone, and how often
// each complained.  DIRECTORY gets a picture of each site's first page.
//
// Chromium is driven by the DevTools protocol on two pipes: no port that
// somebody else could find, no package to be installed.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import http from 'node:http';

const LINKS_MAX = 3000;		// of one site; most are never visited
const TABS = 3;
const QUIET_MS = 200;		// without a word: the page is done
const STUCK_MS = 1500;		// the same, with requests that have not ended
const PAGE_MS = 30_000;

const [chromium, directory] = process.argv.slice(2);
const input = JSON.parse(await text(process.stdin));

async function text(stream) {
	const parts = [];

	for await (const part of stream)
		parts.push(part);
	return Buffer.concat(parts).toString();
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// --- the browser ---

class Browser {
	#next = 1;
	#calls = new Map();
	#sessions = new Map();
	#rest = '';

	constructor(program) {
		this.process = spawn(program, [
			'--headless=new', '--no-sandbox', '--disable-gpu',
			'--disable-background-networking', '--no-first-run',
			'--disable-dev-shm-usage', '--hide-scrollbars',
			`--user-data-dir=${directory}/profile`,
			'--remote-debugging-pipe',
			'--host-resolver-rules=MAP *.davit.test 127.0.0.1,' +
				'MAP *.plain.test 127.0.0.1,MAP * ~NOTFOUND',
		], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
		this.process.stdio[4].setEncoding('utf8');
		this.process.stdio[4].on('data', (data) => this.#read(data));
		this.process.on('exit', (code) => {
			for (const call of this.#calls.values())
				call.fail(new Error(`chromium ended: ${code}`));
		});
	}

	#read(data) {
		const messages = (this.#rest + data).split('\0');

		this.#rest = messages.pop();
		for (const message of messages)
			this.#take(JSON.parse(message));
	}

	#take({ id, result, error, method, params, sessionId }) {
		const call = this.#calls.get(id);

		if (id === undefined) {
			this.#sessions.get(sessionId)?.(method, params);
			return;
		}
		this.#calls.delete(id);
		if (error)
			call?.fail(new Error(error.message));
		else
			call?.done(result);
	}

	call(method, params = {}, sessionId = undefined) {
		const id = this.#next++;

		this.process.stdio[3].write(
			JSON.stringify({ id, method, params, sessionId }) +
			'\0');
		return new Promise((done, fail) => {
			const late = setTimeout(() => fail(new Error(
				`${method}: no answer`)), PAGE_MS);
			const end = (how) => (value) => {
				clearTimeout(late);
				how(value);
			};

			this.#calls.set(id,
				{ done: end(done), fail: end(fail) });
		});
	}

	// A tab; on(method, params) hears of what happens in it.
	async tab(on) {
		const { targetId } = await this.call('Target.createTarget',
			{ url: 'about:blank' });
		const { sessionId } = await this.call('Target.attachToTarget',
			{ targetId, flatten: true });

		this.#sessions.set(sessionId, on);
		return {
			call: (method, params) =>
				this.call(method, params, sessionId),
			close: () => this.call('Target.closeTarget',
				{ targetId }),
		};
	}
}

// --- one page ---

const IN_PAGE = `({
	title: document.title,
	text: document.body?.innerText ?? '',
	links: [...document.querySelectorAll('a[href], area[href]')]
		.map((a) => a.href).filter((h) => typeof h === 'string'),
})`;

// Complaints about other people's servers, which cannot be reached from here,
// are not the site's.
class Watch {
	errors = [];
	#origin;
	#open = new Map();
	#moved = Date.now();

	constructor(origin) {
		this.#origin = origin;
	}

	#own(url) {
		return !url || url.startsWith(this.#origin);
	}

	#say(what) {
		this.errors.push(String(what)
			.replaceAll(this.#origin, '').split('\n')[0]);
	}

	#refused({ status, url }) {
		if (status < 400 || !this.#own(url))
			return;
		this.#say(`${status} ${url}`);
	}

	hear(method, p) {
		switch (method) {
		case 'Network.requestWillBeSent':
			this.#open.set(p.requestId, p.request.url);
			break;
		case 'Network.responseReceived':
			this.#refused(p.response);
			break;
		case 'Network.loadingFailed':
			if (!p.canceled && this.#open.has(p.requestId) &&
			    this.#own(this.#open.get(p.requestId)))
				this.#say(`${p.errorText} ` +
					this.#open.get(p.requestId));
			this.#open.delete(p.requestId);
			break;
		case 'Network.loadingFinished':
			this.#open.delete(p.requestId);
			break;
		case 'Runtime.exceptionThrown':
			this.#say(p.exceptionDetails.exception?.description ??
				p.exceptionDetails.text);
			break;
		case 'Runtime.consoleAPICalled':
			if (p.type === 'error')
				this.#say(p.args.map((a) => a.value ??
					a.description).join(' '));
			break;
		case 'Log.entryAdded':
			// requests have been told of above
			if (p.entry.level === 'error' &&
			    p.entry.source !== 'network')
				this.#say(p.entry.text);
			break;
		default:
			return;
		}
		this.#moved = Date.now();
	}

	// What a worker asks for is never told to have ended.
	async settled() {
		const end = Date.now() + PAGE_MS;

		do
			await sleep(QUIET_MS);
		while (Date.now() < end && Date.now() - this.#moved <
		    (this.#open.size > 0 ? STUCK_MS : QUIET_MS));
	}
}

// Of a style sheet that is missing Chromium says nothing but that the 404 is no
// style sheet, where the server says nosniff; and the same of scripts besides.
async function plainly(origin, errors) {
	const said = [];

	for (const error of errors) {
		const [, path] = /^Refused to .* '(\/[^']*)' because its MIME/
			.exec(error) ?? [];
		const { status } = path ? await ask(origin, path) : {};

		said.push(status >= 400 ? `${status} ${path}` : error);
	}
	return [...new Set(said)];
}

// The page once neither requests nor scripts change it any more.
async function rested(tab, watch) {
	const end = Date.now() + PAGE_MS;
	let before, value;

	do {
		before = JSON.stringify(value);
		await watch.settled();
		({ result: { value } } = await tab.call('Runtime.evaluate',
			{ expression: IN_PAGE, returnByValue: true }));
	} while (JSON.stringify(value) !== before && Date.now() < end);
	return value;
}

async function visit(browser, origin, path, picture) {
	const watch = new Watch(origin);
	const tab = await browser.tab((method, params) => {
		watch.hear(method, params);
		if (method === 'Page.javascriptDialogOpening')
			tab.call('Page.handleJavaScriptDialog',
				{ accept: true }).catch(() => {});
	});

	try {
		for (const domain of ['Page', 'Network', 'Runtime', 'Log'])
			await tab.call(`${domain}.enable`);
		await tab.call('Page.navigate', { url: origin + path });
		const value = await rested(tab, watch);
		if (picture) {
			const { data } = await tab.call(
				'Page.captureScreenshot', { format: 'png' });
			writeFileSync(picture, Buffer.from(data, 'base64'));
		}
		return { ...value,
			errors: await plainly(origin, watch.errors) };
	} catch (e) {
		return { title: '', text: '', links: [],
			errors: [...watch.errors, e.message] };
	} finally {
		await tab.close().catch(() => {});
	}
}

// --- one site ---

// Status and type of what a link leads to at last.
function ask(origin, path, hops = 5) {
	const url = new URL(path, origin);

	return new Promise((done) => {
		const request = http.get({
			host: '127.0.0.1', port: url.port,
			path: url.pathname + url.search,
			headers: { Host: url.host, Accept: 'text/html,*/*' },
			timeout: PAGE_MS,
		}, (answer) => {
			const to = answer.headers.location;

			answer.resume();
			answer.on('end', () => {
				if (!(answer.statusCode / 100 < 4 && to))
					return done({
						status: answer.statusCode,
						html: /^text\/html/.test(
						    answer.headers['content-type']),
					});
				const next = new URL(to, url);
				if (next.origin !== url.origin || hops === 0)
					return done({ status: hops && 200 });
				return done(ask(origin, next.pathname +
					next.search, hops - 1));
			});
		});
		request.on('timeout', () => request.destroy());
		request.on('error', () => done({ status: 0 }));
	});
}

function local(origin, links) {
	return links.filter((link) => URL.canParse(link))
		.map((link) => new URL(link))
		.filter((url) => url.origin === origin)
		.map((url) => url.pathname + url.search);
}

// Pages by the links that lead to them, from those in queue on.
async function crawl(browser, origin, queue, picture) {
	const links = new Map(queue.map((path) => [path, null]));
	const pages = new Map(), named = new Set(['/']);
	let busy = 0;

	const work = async () => {
		while (queue.length > 0 || busy > 0) {
			const path = queue.shift();

			if (path === undefined) {
				await sleep(50);
				continue;
			}
			busy++;
			const found = await ask(origin, path);
			links.set(path, found.status);
			if (found.html && found.status < 400 &&
			    pages.size < input.pages) {
				pages.set(path, null);
				const page = await visit(browser, origin, path,
					path === '/' ? picture : null);
				pages.set(path, page);
				for (const link of local(origin, page.links)) {
					named.add(link);
					if (!links.has(link) &&
					    links.size < LINKS_MAX) {
						links.set(link, null);
						queue.push(link);
					}
				}
			}
			busy--;
		}
	};
	await Promise.all(Array.from({ length: TABS }, work));
	return { links, pages, named };
}

const is_broken = (status) => status === 0 || status >= 400;

// Of the links that its own pages have: an anchor below "/a" is no link to
// "/a" where the page is "/a.html".
function broken(one, other) {
	return [...one.links].filter(([path, status]) => is_broken(status) &&
		one.named.has(path) &&
		!is_broken(other.links.get(path) ?? 0)).map(([path, status]) =>
		`${status} ${path}`);
}

// On pages that both have.
function complaints(one, other) {
	return [...one.pages].filter(([path]) => other.pages.has(path))
		.flatMap(([path, page]) =>
			page.errors.map((e) => `${path}: ${e}`));
}

const is_other = (page, there) => there && (page.errors.length > 0 ||
	JSON.stringify(read(page)) !== JSON.stringify(read(there)));

// A page that scripts make may be caught half made: what looks otherwise here
// than there is looked at once more, by itself.
async function again(browser, one, other, here, there) {
	for (const [path, page] of one.pages)
		if (is_other(page, other.pages.get(path))) {
			one.pages.set(path, await visit(browser, here, path));
			other.pages.set(path,
				await visit(browser, there, path));
		}
}

// Of a page all that can be read, a line each.
function read(page) {
	return [page.title, ...page.text.split('\n')].map((line) =>
		line.replaceAll('.plain.', '.davit.').replace(/:\d+/g, ''));
}

// Pages that both have, and that read otherwise here: how.
function differing(one, other) {
	const found = [];

	for (const [path, page] of one.pages) {
		if (!other.pages.get(path))
			continue;
		const here = read(page), there = read(other.pages.get(path));
		const at = here.findIndex((line, i) => line !== there[i]);
		if (at !== -1 || here.length !== there.length)
			found.push(`${path}: ${here[at]} | ${there[at]}`);
	}
	return found;
}

// A link that only one of the two has was never asked of the other.
async function fill(one, other, origin) {
	for (const path of other.links.keys())
		if (!one.links.has(path))
			one.links.set(path, (await ask(origin, path)).status);
}

async function compare(browser, { name, id }) {
	const here = `http://${id}.davit.test:${input.port.davit}`;
	const there = `http://${id}.plain.test:${input.port.plain}`;
	const davit = await crawl(browser, here, ['/'],
		`${directory}/${name}.png`);
	const plain = await crawl(browser, there, [...davit.pages.keys()]);
	const count = (o) => [...o.links].filter(([path, status]) =>
		o.named.has(path) && is_broken(status)).length;

	await again(browser, davit, plain, here, there);
	await fill(davit, plain, here);
	await fill(plain, davit, there);
	const ours = complaints(davit, plain);
	const theirs = complaints(plain, davit);

	return { name, pages: davit.pages.size, links: davit.links.size,
		errors: { davit: ours.length, plain: theirs.length },
		broken: { davit: count(davit), plain: count(plain) },
		broken_here: broken(davit, plain),
		broken_there: broken(plain, davit),
		errors_here: ours.filter((e) => !theirs.includes(e)),
		errors_all: ours,
		differing: differing(davit, plain) };
}

const browser = new Browser(chromium);
for (const site of input.sites)
	console.log(JSON.stringify(await compare(browser, site)));
await browser.call('Browser.close');
