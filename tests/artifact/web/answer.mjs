// Runs a model in the runtime that a page would use: `node answer.mjs` takes { model, feeds } as JSON on standard input,
// each feed as { type, dims, values }, and prints the probabilities as one flat list.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as ort from 'onnxruntime-web/wasm';

const dist = dirname(createRequire(import.meta.url).resolve('onnxruntime-web'));
// Node.js fetches no files, so the bytes are handed over; a page would be given their address.
ort.env.wasm.wasmBinary = readFileSync(join(dist, 'ort-wasm-simd-threaded.wasm'));
ort.env.wasm.numThreads = 1;

const { model, feeds } = JSON.parse(readFileSync(0, 'utf8'));
const session = await ort.InferenceSession.create(readFileSync(model), { executionProviders: ['wasm'] });
const given = Object.entries(feeds).map(([name, { type, dims, values }]) => [
  name,
  // JSON has no NaN: a gap among numbers comes as null.
  new ort.Tensor(type, type === 'string' ? values : values.map(one => one ?? NaN), dims)
]);
const { probabilities } = await session.run(Object.fromEntries(given));
console.log(JSON.stringify({ dims: probabilities.dims, values: Array.from(probabilities.data) }));
process.exit(0);
