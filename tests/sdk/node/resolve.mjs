// Resolves every `*.localhost` name to loopback inside this process: glibc leaves it to `nss-myhostname`, which not
// every machine has. Loaded with `--import`.
import dns from 'node:dns';

const lookup = dns.lookup;

dns.lookup = function resolve(host, options, done) {
  const name = typeof host === 'string' && host.endsWith('.localhost') ? '127.0.0.1' : host;
  return lookup.call(dns, name, options, done);
};
