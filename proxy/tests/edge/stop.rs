//! Starting and stopping: taken ports, draining, the second request to stop.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proxy::{Edge, EdgeConfig, EdgeError, Limits, Listen};

use crate::probe::Probe;
use crate::served::{Served, get, http2};

/// What the product promises for an idle edge.
const IDLE_STOP_MAX: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_of_all_kinds_do_not_hold_the_stop_up() {
    let mut served = Served::start();
    let mut kept = served.connect();
    kept.say(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
    kept.answer();
    let fresh = served.connect();
    let mut partial = served.connect();
    partial.say(b"GET /hel");
    let mut handshake = crate::served::Client::new(served.https);
    handshake.say(b"\x16\x03\x01\x02");
    let secured = served.tls("localhost", &["h2"]).await.expect("handshake");
    let mut second = http2(secured).await;
    assert_eq!(get(&mut second, "/hello").await.expect("answer").0, 200);
    let begun = Instant::now();
    served.handle.stop();
    served.ended();
    assert!(begun.elapsed() < IDLE_STOP_MAX, "{:?}", begun.elapsed());
    assert_eq!(kept.rest_in_order(), "");
    drop(fresh);
}

#[test]
fn an_unused_edge_stops_at_once() {
    let mut served = Served::start();
    let begun = Instant::now();
    served.handle.stop();
    served.ended();
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_flight_are_answered_and_new_connections_are_not_taken() {
    let mut served = Served::start();
    let mut client = served.connect();
    client.say(b"PUT /hang HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n");
    let mut second = http2(tokio::net::TcpStream::connect(served.http[0]).await.expect("connect")).await;
    let streamed = tokio::spawn(async move { get(&mut second, "/hang").await });
    served.probe.arrived.acquire_many(2).await.expect("both came").forget();
    served.handle.stop();
    while TcpStream::connect(served.http[0]).is_ok() {
        tokio::task::yield_now().await;
    }
    served.probe.release.add_permits(2);
    client.say(b"abc");
    let answer = client.rest_in_order();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n3"), "{answer}");
    assert_eq!(streamed.await.expect("join").expect("answer"), (200, "0".to_owned()));
    served.ended();
}

#[tokio::test]
async fn a_second_request_to_stop_ends_at_once() {
    let mut served = Served::start();
    let mut client = served.connect();
    client.say(b"GET /hang HTTP/1.1\r\nhost: x\r\n\r\n");
    served.probe.arrived.acquire().await.expect("came").forget();
    served.handle.stop();
    while TcpStream::connect(served.http[0]).is_ok() {}
    let begun = Instant::now();
    served.handle.stop();
    served.ended();
    assert!(begun.elapsed() < IDLE_STOP_MAX);
    assert_eq!(client.rest(), "");
}

#[tokio::test]
async fn draining_has_a_bound() {
    let mut served = Served::with(|limits| limits.drain = Duration::from_millis(200));
    let mut client = served.connect();
    client.say(b"GET /hang HTTP/1.1\r\nhost: x\r\n\r\n");
    served.probe.arrived.acquire().await.expect("came").forget();
    served.handle.stop();
    served.ended();
    assert_eq!(client.rest(), "");
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let port = taken.local_addr().expect("address").port();
    let ca_dir = tempfile::tempdir().expect("dir");
    let config = EdgeConfig {
        http: Some(Listen::loopback(port, "--http-port")),
        https: None,
        ca_dir: ca_dir.path().to_owned(),
        domain: "mockfactory.localhost".into(),
        threads: 1,
        limits: Limits::default(),
    };
    let Err(error) = Edge::new(config, Arc::new(Probe::new())) else { panic!("the port is taken") };
    assert!(matches!(error, EdgeError::PortTaken { flag: "--http-port", .. }), "{error}");
    assert!(error.to_string().contains(&port.to_string()));
}
