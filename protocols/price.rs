//! What an environment costs per hour: the à-la-carte sum, or one package that covers it for less.
