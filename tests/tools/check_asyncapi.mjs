// Reads an AsyncAPI document on stdin; prints what the AsyncAPI parser has to say about it, as JSON.
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const { document, diagnostics } = await new Parser().parse(readFileSync(0, 'utf8'));
const told = diagnostics.map(({ severity, code, message, path }) => ({ severity, code, message, path }));
const channels = document ? document.allChannels().all().map((channel) => channel.address()) : [];
console.log(JSON.stringify({ version: document?.version() ?? null, channels, told }));
