// Print every band ahead by 42 and 60 bars, from where this program was stopped: npm install redis
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createClient } from 'redis';

const file = 'position.json';
const seen = existsSync(file) ? JSON.parse(readFileSync(file)) : { 'bands.T42': '0', 'bands.T60': '0' };

const client = createClient({ url: process.env.REDIS_URL ?? 'redis://localhost:6379' });
client.on('error', (error) => console.error(error.message)); // it reconnects by itself
await client.connect();

while (true) {
  const streams = Object.entries(seen).map(([key, id]) => ({ key, id }));
  for (const { name, messages } of (await client.xRead(streams, { COUNT: 100, BLOCK: 1000 })) ?? []) {
    for (const { id, message } of messages) {
      const band = JSON.parse(message.data);
      if (band.schema !== 'band/1') throw new Error(`expected band/1, found ${band.schema} in ${id} of ${name}`);
      const told = band.status === 'band' ? JSON.stringify(band.prices) : band.reason;
      console.log(band.symbol, band.issued_at, `T${band.horizon_bars}`, told);
      seen[name] = id;
    }
    writeFileSync(`${file}.new`, JSON.stringify(seen));
    renameSync(`${file}.new`, file);
  }
}
