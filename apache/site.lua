-- site.lua: mod_magnet of lighttpd asks this for each request to a site.  A
-- file of a live site (one that has its manifest, and no rules that come
-- before files) lighttpd serves itself; all else is for site.fcgi.

local r, stat = lighty.r, lighty.c.stat
local attr, env, headers = r.req_attr, r.req_env, r.resp_header
local store = env.DAVIT_STORE

local function is_file(path)
	local st = stat(path)
	return st and st.is_file
end

-- Where lighttpd.conf has it.
local function to_site()
	attr["uri.path"] = "/.davit-site"
end

-- { ext = type }, read once.
local function types()
	local t = package.loaded.davit_types
	if not t then
		t = {}
		for line in io.lines(env.DAVIT_TYPES) do
			local ext, name = line:match("^(%S+) (%S+)")
			t[ext] = name:gsub(";", "; ")
		end
		package.loaded.davit_types = t
	end
	return t
end

-- Where an alias points, by its own word.
local function target(name)
	local f = io.open(store .. "/aliases/" .. name .. ".json")
	local text = f and f:read(400)
	if f then
		f:close()
	end
	return text and text:match('^{"name":"[%w.-]+","id":"(%w+)"')
end

-- The deployment that the host names.
local function deployment()
	local host = (attr["uri.authority"] or ""):lower():gsub(":%d*$", "")
	local below = "." .. env.DAVIT_DOMAIN
	local id, name
	host = host:gsub("%.$", "")
	if host:sub(-#below) == below then
		name = host:sub(1, -#below - 1):match("^[a-z0-9-]+$")
		id = name and #name == 10 and name
		if id and is_file(store .. "/manifests/" .. id .. ".json") then
			return id
		end
	else
		name = host:match("^[a-z0-9][a-z0-9.-]*$")
	end
	id = name and target(name)
	return id and is_file(store .. "/manifests/" .. id .. ".json") and id
end

-- Its name holds a hash of the contents, or it lies where frameworks put only
-- such: as fcgi/resolve.c decides for what site.fcgi serves.
local by_name = { ["sw.js"] = true, ["service-worker.js"] = true,
	["manifest.json"] = true, ["robots.txt"] = true }
local function is_hashed(path)
	local name = path:match("[^/]*$")
	if by_name[name] or name:find("^sitemap") or not name:find(".", 1, true)
	    or name:find("%.html?$") or name:find("%.webmanifest$") then
		return false
	end
	for at in name:gmatch("[.-]()") do
		local run = name:match("^[%w_-]+", at)
		if run and #run >= 8 and run:find("%d")
		    and name:sub(at + #run, at + #run) == "." then
			return true
		end
	end
	return path:find("^/_next/static/") or path:find("^/_astro/")
	    or path:find("^/_nuxt/") or path:find("^/_app/immutable/")
end

-- "br", but not "br;q=0".
local function takes(accept, coding)
	for name, rest in accept:lower():gmatch("([^,;%s]+)([^,]*)") do
		if name == coding then
			return not rest:find("^%s*;%s*q=0%.?0*%s*$")
		end
	end
end

-- What is not plain, names that site.fcgi redirects, and those of encoded
-- forms.
local method = attr["request.method"]
local path = attr["request.orig-uri"]:match("^[^?]*")
local shown = path:find("^/%.well%-known/") and path:sub(13) or path
if (method ~= "GET" and method ~= "HEAD") or path:sub(1, 1) ~= "/"
    or shown:find("/[./]") or shown:find("[%%%c\\]")
    or path:find("%.html$") or path:find("%.br$") or path:find("%.gz$") then
	return to_site()
end

local id = deployment()
if not id or is_file(store .. "/manifests/" .. id .. ".rules") then
	return to_site()
end
local dist = store .. "/dist/" .. id
if path:sub(-1) == "/" then
	path = path .. "index.html"
elseif not is_file(dist .. path) then
	path = path .. ".html"
end
if not is_file(dist .. path) then
	return to_site()
end

local form, accept = nil, r.req_header["Accept-Encoding"]
if accept and takes(accept, "br") and is_file(dist .. path .. ".br") then
	form = "br"
elseif accept and takes(accept, "gzip") and is_file(dist .. path .. ".gz") then
	form = "gzip"
end
-- lighttpd knows no parts of encoded files, and does not say which part would
-- do where there is none.
local range = r.req_header["Range"]
if range then
	local first = tonumber(range:match("^bytes=(%d+)"))
	if form or (first and first >= stat(dist .. path).st_size) then
		return to_site()
	end
end

local ext = path:match("%.([^./]*)$")
headers["Content-Type"] = ext and types()[ext:lower()]
    or "application/octet-stream"
headers["Content-Encoding"] = form
headers["Cache-Control"] = is_hashed(path)
    and "public, max-age=31536000, immutable"
    or "public, max-age=0, must-revalidate"
headers["X-Content-Type-Options"] = "nosniff"
headers["Vary"] = "Accept-Encoding"
attr["uri.path"] = "/" .. id .. path
    .. (form == "br" and ".br" or form and ".gz" or "")
