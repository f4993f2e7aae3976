// The service worker of the shell: it makes Meshwright installable and lets it start while the server is away.
// It never serves a stale UI: the page itself always comes from the server when there is one, and only files whose
// name has their hash in it come from the cache. The API is none of its business.

const CACHE = "meshwright-shell-1";
const HASHED = /-[0-9a-f]{8,}(_bg)?\.(js|wasm|css)$/;
const FIXED = /^\/(manifest\.webmanifest|icons\/[\w.-]+)$/;

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("activate", (event) => {
  const old = async () => {
    const names = await caches.keys();
    await Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(old());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate" && url.pathname === "/") {
    event.respondWith(networkFirst(event, "/"));
  } else if (HASHED.test(url.pathname)) {
    event.respondWith(cacheFirst(event));
  } else if (FIXED.test(url.pathname)) {
    event.respondWith(networkFirst(event, url.pathname));
  }
});

async function networkFirst(event, key) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(event.request);
    if (response.ok) {
      const copy = response.clone();
      event.waitUntil(key === "/" ? renew(cache, copy) : cache.put(key, copy));
    }
    return response;
  } catch (error) {
    const kept = await cache.match(key);
    if (kept) return kept;
    throw error;
  }
}

async function cacheFirst(event) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(event.request);
  if (kept) return kept;
  const response = await fetch(event.request);
  if (response.ok) event.waitUntil(cache.put(event.request, response.clone()));
  return response;
}

// A new page: what it does not name belongs to an older one.
async function renew(cache, page) {
  const text = await page.clone().text();
  await cache.put("/", page);
  for (const request of await cache.keys()) {
    const { pathname } = new URL(request.url);
    if (HASHED.test(pathname) && !text.includes(pathname)) await cache.delete(request);
  }
}
