//! The S3 cases: what is stored beforehand, what each round sends, and what a right reply looks like.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use jiff::Timestamp;

use crate::client::Prepared;
use crate::load::{self, Work};
use crate::server::Server;
use crate::signer::Payload;

pub const SMALL_BYTES: usize = 4 * 1024;
pub const LARGE_BYTES: usize = 64 * 1024 * 1024;

/// Bucket of the small and large objects.
pub const BUCKET: &str = "bench";
/// Bucket that is listed.
pub const LIST_BUCKET: &str = "bench-list";
/// Small objects that are read in turn.
const SMALL_OBJECTS: usize = 1_000;
/// Large objects that are read and overwritten in turn.
const LARGE_OBJECTS: usize = 2;
/// Keys of one listing, S3's page.
pub const PAGE_KEYS: usize = 1_000;
/// Connections of the cases with small replies.
const CONNECTIONS: usize = 16;
/// Connections while the listed bucket is filled, and the longest that may take.
const FILL_CONNECTIONS: usize = 32;
const FILL_LIMIT: Duration = Duration::from_mins(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    GetSmall,
    PutSmall,
    GetLarge,
    PutLarge,
    PutLargeSigned,
    ListKeys,
    ListDelimited,
    ListPrefixes,
}

impl Case {
    pub const ALL: [Self; 8] = [
        Self::GetSmall,
        Self::PutSmall,
        Self::GetLarge,
        Self::PutLarge,
        Self::PutLargeSigned,
        Self::ListKeys,
        Self::ListDelimited,
        Self::ListPrefixes,
    ];

    /// As given to `--only`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::GetSmall => "get-4k",
            Self::PutSmall => "put-4k",
            Self::GetLarge => "get-64m",
            Self::PutLarge => "put-64m",
            Self::PutLargeSigned => "put-64m-signed",
            Self::ListKeys => "list",
            Self::ListDelimited => "list-delimiter",
            Self::ListPrefixes => "list-prefixes",
        }
    }

    pub const fn title(self) -> &'static str {
        match self {
            Self::GetSmall => "GET 4 KiB",
            Self::PutSmall => "PUT 4 KiB, new keys, SHA-256 and CRC32 sent",
            Self::GetLarge => "GET 64 MiB",
            Self::PutLarge => "PUT 64 MiB, UNSIGNED-PAYLOAD",
            Self::PutLargeSigned => "PUT 64 MiB, SHA-256 and CRC32 sent",
            Self::ListKeys => "ListObjectsV2, 1,000 keys",
            Self::ListDelimited => "ListObjectsV2, the same 1,000 keys, delimiter",
            Self::ListPrefixes => "ListObjectsV2, a page of common prefixes",
        }
    }

    pub const fn lists(self) -> bool {
        matches!(self, Self::ListKeys | Self::ListDelimited | Self::ListPrefixes)
    }

    pub const fn large(self) -> bool {
        matches!(self, Self::GetLarge | Self::PutLarge | Self::PutLargeSigned)
    }

    const fn small(self) -> bool {
        matches!(self, Self::GetSmall | Self::PutSmall)
    }
}

/// How much of everything; the quick run is a smoke test.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    pub rounds: usize,
    pub round: Duration,
    /// Most requests of one round of new keys.
    pub new_keys: usize,
    pub listing: Listing,
}

/// The keys of the listed bucket: `p0000/…` directories and the page of keys under `flat/`.
#[derive(Clone, Copy, Debug)]
pub struct Listing {
    pub directories: usize,
    pub keys_per_directory: usize,
}

impl Listing {
    pub const fn count(self) -> usize {
        self.directories * self.keys_per_directory + PAGE_KEYS
    }

    pub fn keys(self) -> impl Iterator<Item = String> {
        let under = (0..self.directories)
            .flat_map(move |d| (0..self.keys_per_directory).map(move |k| format!("p{d:04}/{k:04}")));
        under.chain((0..PAGE_KEYS).map(|k| format!("flat/{k:04}")))
    }
}

/// The bodies, made once for all servers.
#[derive(Debug)]
pub struct Bodies {
    small: Bytes,
    large: Bytes,
    small_hashed: Payload,
    large_hashed: Payload,
}

impl Bodies {
    pub fn new() -> Self {
        let (small, large) = (Bytes::from(pattern(SMALL_BYTES)), Bytes::from(pattern(LARGE_BYTES)));
        let (small_hashed, large_hashed) = (Payload::hashed(&small), Payload::hashed(&large));
        Self { small, large, small_hashed, large_hashed }
    }
}

impl Default for Bodies {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes that do not compress: a server that stores compressed gains nothing by it.
fn pattern(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Stores what the cases read, and proves each server's replies right before anything is measured.
pub fn prepare(server: &mut Server, cases: &[Case], scale: Scale, bodies: &Bodies) -> Result<()> {
    if !server.stores {
        return Ok(());
    }
    server.create_bucket(BUCKET)?;
    if cases.iter().any(|case| case.small()) {
        fill(server, (0..SMALL_OBJECTS).map(small_path), &bodies.small, &bodies.small_hashed)?;
        check_body(server, &small_path(0), &bodies.small)?;
    }
    if cases.iter().any(|case| case.large()) {
        fill(server, (0..LARGE_OBJECTS).map(large_path), &bodies.large, &bodies.large_hashed)?;
        check_body(server, &large_path(0), &bodies.large)?;
    }
    if cases.iter().any(|case| case.lists()) && server.filled {
        check_listings(server, scale)?;
    } else if cases.iter().any(|case| case.lists()) && server.name != crate::peers::MOTO {
        server.create_bucket(LIST_BUCKET)?;
        let body = Bytes::from_static(b"listed");
        let hashed = Payload::hashed(&body);
        fill(server, scale.listing.keys().map(|key| format!("/{LIST_BUCKET}/{key}")), &body, &hashed)?;
        server.filled = true;
        check_listings(server, scale)?;
    }
    Ok(())
}

fn fill(server: &Server, paths: impl Iterator<Item = String>, body: &Bytes, payload: &Payload) -> Result<()> {
    let batch = server.signer.at(Timestamp::now());
    let requests: Vec<Prepared> =
        paths.map(|path| Prepared { head: batch.head("PUT", &path, &[], payload), body: body.clone() }).collect();
    let count = requests.len();
    let connections = if body.len() > SMALL_BYTES { 1 } else { FILL_CONNECTIONS };
    let work = Work { requests, expect: 200, connections, repeat: false, limit: FILL_LIMIT };
    let sent = load::send(server.address, work).with_context(|| format!("{}: fill", server.name))?;
    let stored = sent.latencies_us.len();
    ensure!(stored == count, "{}: only {stored} of {count} objects stored", server.name);
    Ok(())
}

fn check_body(server: &Server, path: &str, expected: &[u8]) -> Result<()> {
    let (reply, body) = server.call("GET", path, &[], &[])?;
    ensure!(reply.status == 200 && body == expected, "{}: {path} came back wrong ({})", server.name, reply.status);
    Ok(())
}

fn check_listings(server: &Server, scale: Scale) -> Result<()> {
    let prefixes = scale.listing.directories.min(PAGE_KEYS);
    for (case, element, expected) in [
        (Case::ListKeys, "<Key>", PAGE_KEYS),
        (Case::ListDelimited, "<Key>", PAGE_KEYS),
        (Case::ListPrefixes, "<CommonPrefixes>", prefixes),
    ] {
        let (reply, body) = server.call("GET", &format!("/{LIST_BUCKET}"), list_query(case), &[])?;
        let count = String::from_utf8_lossy(&body).matches(element).count();
        ensure!(
            reply.status == 200 && count == expected,
            "{}: {}: status {}, {count} of {expected} entries",
            server.name,
            case.id(),
            reply.status
        );
    }
    Ok(())
}

/// In order of name, as they are signed.
fn list_query(case: Case) -> &'static [(&'static str, &'static str)] {
    match case {
        Case::ListKeys => &[("list-type", "2"), ("max-keys", "1000"), ("prefix", "flat/")],
        Case::ListDelimited => &[("delimiter", "/"), ("list-type", "2"), ("max-keys", "1000"), ("prefix", "flat/")],
        // `flat/` itself comes first in the listing; from `p` on there are only the directories.
        _ => &[("delimiter", "/"), ("list-type", "2"), ("max-keys", "1000"), ("prefix", "p")],
    }
}

fn small_path(index: usize) -> String {
    format!("/{BUCKET}/small/{index:06}")
}

fn large_path(index: usize) -> String {
    format!("/{BUCKET}/large/{index:06}")
}

/// The requests of one round, or `None` where the server cannot take part.
pub fn work(case: Case, server: &Server, round: usize, scale: Scale, bodies: &Bodies) -> Option<Work> {
    if case.lists() && !server.filled {
        return None;
    }
    let batch = server.signer.at(Timestamp::now());
    let get = |path: String, query: &[(&str, &str)]| Prepared {
        head: batch.head("GET", &path, query, &Payload::Empty),
        body: Bytes::new(),
    };
    let put = |path: String, payload: &Payload, body: &Bytes| Prepared {
        head: batch.head("PUT", &path, &[], payload),
        body: body.clone(),
    };
    let unsigned = Payload::Unsigned { len: LARGE_BYTES };
    let (requests, connections, repeat): (Vec<_>, _, _) = match case {
        Case::GetSmall => ((0..SMALL_OBJECTS).map(|i| get(small_path(i), &[])).collect(), CONNECTIONS, true),
        Case::PutSmall => {
            let path = |i: usize| format!("/{BUCKET}/new/{round:04}/{i:08}");
            let requests = (0..scale.new_keys).map(|i| put(path(i), &bodies.small_hashed, &bodies.small)).collect();
            (requests, CONNECTIONS, false)
        }
        Case::GetLarge => ((0..LARGE_OBJECTS).map(|i| get(large_path(i), &[])).collect(), 1, true),
        Case::PutLarge => ((0..LARGE_OBJECTS).map(|i| put(large_path(i), &unsigned, &bodies.large)).collect(), 1, true),
        Case::PutLargeSigned => {
            ((0..LARGE_OBJECTS).map(|i| put(large_path(i), &bodies.large_hashed, &bodies.large)).collect(), 1, true)
        }
        Case::ListKeys | Case::ListDelimited | Case::ListPrefixes => {
            (vec![get(format!("/{LIST_BUCKET}"), list_query(case))], 2, true)
        }
    };
    Some(Work { requests, expect: 200, connections, repeat, limit: scale.round })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_has_the_keys_it_counts() {
        let check = |directories, keys_per_directory| {
            let listing = Listing { directories, keys_per_directory };
            let mut keys: Vec<String> = listing.keys().collect();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), listing.count());
        };
        check(0, 0);
        check(3, 4);
        check(1_000, 99);
    }

    #[test]
    fn queries_are_in_order_of_name() {
        for case in Case::ALL {
            assert!(list_query(case).is_sorted(), "{}", case.id());
        }
    }
}
