//! The edge's metrics. Handles are made once: looking a metric up by name costs more than counting.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

pub(crate) struct Meter {
    pub connections_open: Gauge,
    pub connections_total: Counter,
    pub connections_refused: Counter,
    pub handshakes_ok: Counter,
    pub handshakes_failed: Counter,
    pub certificates_minted: Counter,
    pub panics: Counter,
    pub timeouts: Counter,
}

impl Meter {
    /// Binds to the recorder installed at this moment.
    pub fn new() -> Self {
        describe_gauge!("edge_connections_open", "Connections open now");
        describe_counter!("edge_connections_total", "Connections accepted");
        describe_counter!("edge_connections_refused_total", "Connections closed unread, for there were too many");
        describe_counter!("edge_tls_handshakes_total", "TLS handshakes by result");
        describe_counter!("edge_certificates_minted_total", "Certificates minted");
        describe_counter!("edge_panics_total", "Requests that ended in a panic");
        describe_counter!("edge_timeouts_total", "Connections closed for a slow peer");
        Self {
            connections_open: gauge!("edge_connections_open"),
            connections_total: counter!("edge_connections_total"),
            connections_refused: counter!("edge_connections_refused_total"),
            handshakes_ok: counter!("edge_tls_handshakes_total", "result" => "ok"),
            handshakes_failed: counter!("edge_tls_handshakes_total", "result" => "failed"),
            certificates_minted: counter!("edge_certificates_minted_total"),
            panics: counter!("edge_panics_total"),
            timeouts: counter!("edge_timeouts_total"),
        }
    }
}
