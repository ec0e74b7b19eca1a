//! Every bound that the edge holds, each with its unit and its reason.

use std::time::Duration;

/// Connections open at once, all tenants together. Beyond it new ones are closed unread.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Connections open at once that have served one tenant.
pub const CONNECTIONS_PER_TENANT_MAX: usize = 1_024;
/// Bytes of a request's header section, request line included. Far above what any provider takes (S3: 8 KiB), so that
/// the provider's own answer is the one that the client sees; beyond it the edge answers 431.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Header lines of a request; S3's 2 KiB of metadata fit in pairs of eight bytes. Beyond it the edge answers 431. hyper
/// allocates 64 bytes for each on every request, so that a thousand would cost a measurable part of a microsecond.
pub const HEADER_LINES_MAX: usize = 256;
/// Bytes that one HTTP/1 connection buffers for reading; also the largest chunk of a body handed on.
pub const READ_BUFFER_BYTES_MAX: usize = 256 * 1024;
/// From the first byte of a header section to its last; also from the TCP handshake to the first byte.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(20);
/// A TLS handshake from its first byte to its end.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A kept-alive connection without a request is closed after one to two of these.
pub const IDLE_TIMEOUT: Duration = Duration::from_mins(2);
/// A request body of which no byte arrives for so long fails with `TimedOut`; S3 waits as long.
pub const BODY_STALL_TIMEOUT: Duration = Duration::from_secs(20);
/// A client that takes no byte of its response for so long is cut off.
pub const RESPONSE_STALL_TIMEOUT: Duration = Duration::from_mins(1);
/// Bytes of request bodies that have been read and not yet been consumed, all connections together. At the bound the
/// edge stops reading: back-pressure, not failure.
pub const BODY_BYTES_IN_FLIGHT_MAX: usize = 256 * 1024 * 1024;
/// What an orderly stop waits for requests in flight.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// During a stop, how long a connection without a request in flight may take to say goodbye.
pub const DRAIN_IDLE_GRACE: Duration = Duration::from_millis(500);
/// After the last connection, how long blocking work may take to end.
pub const RUNTIME_END_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes of an unread request body that are read off so that its connection can be kept. Larger rests cost the
/// connection.
pub const UNREAD_BODY_BYTES_MAX: u64 = 1024 * 1024;
/// How long the rest of an unread body may take to arrive before the answer is sent without it.
pub const UNREAD_BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// After an answer that closes the connection under an upload: how long the rest is read off, so that the reset it
/// would cause can't overtake the answer.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// Streams that one HTTP/2 connection may have open.
pub const HTTP2_STREAMS_MAX: u32 = 256;
/// Bytes that one HTTP/2 stream may have on the way to us: a 64 MiB body needs few round trips.
pub const HTTP2_STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// The same for the whole connection.
pub const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Largest HTTP/2 frame taken.
pub const HTTP2_FRAME_BYTES_MAX: u32 = 64 * 1024;
/// Bytes of answer that one HTTP/2 stream buffers.
pub const HTTP2_SEND_BUFFER_BYTES: usize = 512 * 1024;
/// Streams reset by the peer before they were accepted, beyond which the connection is closed (CVE-2023-44487).
pub const HTTP2_PENDING_RESETS_MAX: usize = 20;
/// Streams that had to be reset for the peer's errors, beyond which the connection is closed.
pub const HTTP2_ERROR_RESETS_MAX: usize = 256;
/// A busy HTTP/2 connection on which nothing comes for so long is asked for a sign of life.
pub const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(30);
/// And is closed when none comes within this.
pub const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Bytes read at once from a TLS connection's socket.
pub const TLS_READ_BUFFER_BYTES: usize = 64 * 1024;
/// Certificates kept minted.
pub const CERTIFICATES_MAX: usize = 4_096;
/// Threads that may block on disks, in the runtime that requests run in.
pub const BLOCKING_THREADS_MAX: usize = 128;

/// The bounds that an appliance (or a test) may want to set.
#[derive(Clone, Debug)]
pub struct Limits {
    pub connections: usize,
    pub connections_per_tenant: usize,
    pub header_bytes: usize,
    pub header_read: Duration,
    pub tls_handshake: Duration,
    pub idle: Duration,
    pub body_stall: Duration,
    pub response_stall: Duration,
    pub body_bytes_in_flight: usize,
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS_MAX,
            connections_per_tenant: CONNECTIONS_PER_TENANT_MAX,
            header_bytes: HEADER_BYTES_MAX,
            header_read: HEADER_READ_TIMEOUT,
            tls_handshake: TLS_HANDSHAKE_TIMEOUT,
            idle: IDLE_TIMEOUT,
            body_stall: BODY_STALL_TIMEOUT,
            response_stall: RESPONSE_STALL_TIMEOUT,
            body_bytes_in_flight: BODY_BYTES_IN_FLIGHT_MAX,
            drain: DRAIN_TIMEOUT,
        }
    }
}
