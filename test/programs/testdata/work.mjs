// What people do with JavaScript: the same lines in QuickJS and in Node.
const [say, sleep] = globalThis.process
	? [console.log, (ms) => new Promise((done) => setTimeout(done, ms))]
	: await import("qjs:os").then((os) => [console.log, (ms) => new Promise((done) => os.setTimeout(done, ms))]);

const order = [];
queueMicrotask(() => order.push("micro"));
await Promise.all([30, 5, 15].map(async (ms) => { await sleep(ms); order.push(ms); }));
say("promises", order.join());
say("settled", (await Promise.allSettled([Promise.reject(new TypeError("no")), 1])).map((s) => s.status).join());

say("regex", [..."2026-11-22 and 1999-12-31".matchAll(/(?<y>\d{4})-(?<m>\d\d)-(?<d>\d\d)/gu)].map((m) => `${m.groups.d}.${m.groups.m}.${m.groups.y}`).join(" "));
say("regex", "naïve café".normalize("NFD").replace(/\p{M}/gu, ""), /(?<=\$)\d+(?!\d|%)/.exec("5 $42% $43")?.[0]);
say("bigint", String(2n ** 521n % (10n ** 30n)), BigInt.asIntN(64, 2n ** 63n) === -(2n ** 63n));
say("json", JSON.stringify({ a: [1, { b: "\u2028é" }], d: new Date(0), u: undefined }));

class Shape { #sides = 3; get sides() { return this.#sides; } static { Shape.made = 1; } }
function* squares() { for (let i = 1; ; i++) yield i * i; }
const [one, , three = 0, ...rest] = Array.from({ length: 5 }, (_, i) => i);
const it = squares();
say("language", new Shape().sides, Shape.made, it.next().value + it.next().value + it.next().value, one, three, rest.join());
say("map", [...new Map([["x", 1], ["y", 2]])].flat().join(), [...new Set([3, 1, 3])].sort().join());
say("numbers", 0.1 + 0.2, (1e21).toString(), (255).toString(36), Math.fround(5.05), (1.005).toFixed(2), Math.hypot(3, 4));

// A benchmark of kinds: a sieve, sorting and a typed array.
const sieve = new Uint8Array(200_000);
let primes = 0;
for (let i = 2; i < sieve.length; i++) if (!sieve[i]) { primes++; for (let j = i * 2; j < sieve.length; j += i) sieve[j] = 1; }
let seed = 42;
const random = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0);
const sorted = Array.from({ length: 50_000 }, random).sort((a, b) => a - b);
say("bench", primes, sorted[0], sorted[25_000], sorted.at(-1));
