//! What is spoken on which port, and HTTP's finer points.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::served::{Client, Served, get, http2};

const HELLO: &[u8] = b"GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[test]
fn one_connection_serves_one_request_after_another() {
    let served = Served::start();
    let mut client = served.connect();
    for _ in 0..3 {
        client.say(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
        assert!(client.answer().ends_with("HTTP/1.1 https=false 127.0.0.1"));
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let served = Served::start();
    let mut client = served.connect();
    client.say(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\nPOST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabcPOST /count HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab");
    assert!(client.answer().ends_with("127.0.0.1"));
    assert!(client.answer().ends_with("\r\n\r\nabc"));
    assert!(client.answer().ends_with("\r\n\r\n2"));
}

#[test]
fn every_loopback_address_is_listened_on() {
    let served = Served::start();
    for address in &served.http {
        let mut client = Client::new(*address);
        client.say(HELLO);
        assert!(client.rest().ends_with(&address.ip().to_string()));
    }
}

#[test]
fn http_on_the_https_port_is_told_so() {
    let served = Served::start();
    let mut client = Client::new(served.https);
    client.say(HELLO);
    let answer = client.rest_in_order();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 400") && body.contains("TLS"), "{answer}");
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{answer}");
}

#[test]
fn what_is_no_protocol_at_all_gets_a_400() {
    let served = Served::start();
    assert!(served.exchange(b"\0\0\0\0nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn http2_without_tls() {
    let served = Served::start();
    let mut client = http2(tokio::net::TcpStream::connect(served.http[0]).await.expect("connect")).await;
    assert_eq!(get(&mut client, "/hello").await.expect("answer").1, "HTTP/2.0 https=false 127.0.0.1");
}

#[tokio::test]
async fn http2_over_tls_on_both_ports() {
    let served = Served::start();
    for address in [served.https, served.http[0]] {
        let stream = served.tls_at(address, "localhost", &["h2", "http/1.1"]).await.expect("handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        assert_eq!(get(&mut http2(stream).await, "/hello").await.expect("answer").1, "HTTP/2.0 https=true 127.0.0.1");
    }
}

#[tokio::test]
async fn http1_over_tls_with_and_without_alpn() {
    let served = Served::start();
    for alpn in [&["http/1.1"][..], &[]] {
        let mut stream = served.tls("localhost", alpn).await.expect("handshake");
        stream.write_all(HELLO).await.expect("write");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("read");
        assert!(answer.ends_with("HTTP/1.1 https=true 127.0.0.1"), "{answer}");
    }
}

#[test]
fn a_client_that_waits_for_a_100_is_asked_for_the_body() {
    let served = Served::start();
    let mut client = served.connect();
    client.say(b"PUT /count HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    assert_eq!(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.say(b"12345");
    assert!(client.answer().ends_with("\r\n\r\n5"));
}

#[test]
fn a_client_that_waits_for_a_100_is_refused_without_it() {
    let served = Served::start();
    let mut client = served.connect();
    client.say(b"PUT /ignore HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5000000\r\n\r\n");
    assert!(client.answer().starts_with("HTTP/1.1 404"));
}

#[test]
fn chunked_bodies_come_whole() {
    let served = Served::start();
    let mut client = served.connect();
    client.say(b"PUT /count HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nx-sum: 1\r\n\r\n");
    assert!(client.answer().ends_with("\r\n\r\n5"));
}

#[test]
fn broken_bodies_say_how_they_broke() {
    let served = Served::start();
    let check = |request: &[u8], expected: &str| {
        let mut client = served.connect();
        client.say(request);
        client.0.shutdown(std::net::Shutdown::Write).expect("half close");
        let answer = client.rest();
        assert!(answer.ends_with(&format!("\r\n\r\n{expected}")), "{answer}");
    };
    check(b"PUT /count HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345", "5 then UnexpectedEof");
    check(b"PUT /count HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n123", "3 then UnexpectedEof");
    check(b"PUT /count HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n123", "0 then InvalidData");
}

#[test]
fn an_upgraded_connection_is_the_dispatchs() {
    let served = Served::start();
    let mut client = served.connect();
    client.say(b"GET /upgrade HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: probe\r\n\r\n");
    assert!(client.until("\r\n\r\n").starts_with("HTTP/1.1 101"));
    client.say(b"ping");
    assert_eq!(client.until("ping"), "ping");
}

#[test]
fn a_panic_is_a_500_and_ends_its_connection_only() {
    let served = Served::start();
    let mut other = served.connect();
    other.say(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
    other.answer();
    for path in ["/panic", "/panic-later", "/panic-at-once"] {
        let answer = served.exchange(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    }
    let answer = served.exchange(b"GET /panic-in-body HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(!answer.ends_with("0\r\n\r\n"), "a broken body must not look whole: {answer}");
    other.say(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(other.answer().starts_with("HTTP/1.1 200"));
}

#[test]
fn a_small_unread_body_keeps_its_connection() {
    let served = Served::start();
    let mut client = served.connect();
    for framing in ["content-length: 70000\r\n\r\n", "transfer-encoding: chunked\r\n\r\n11170\r\n"] {
        client.say(format!("PUT /ignore HTTP/1.1\r\nhost: x\r\n{framing}").as_bytes());
        client.say(&vec![b'x'; 70_000]);
        if framing.starts_with('t') {
            client.say(b"\r\n0\r\n\r\n");
        }
        let answer = client.answer();
        assert!(answer.starts_with("HTTP/1.1 404") && !answer.contains("connection: close"), "{answer}");
    }
    client.say(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(client.answer().starts_with("HTTP/1.1 200"));
}

#[test]
fn a_large_unread_body_gets_its_answer_and_no_reset() {
    const BODY_BYTES: usize = 32 * 1024 * 1024;
    let served = Served::start();
    let mut client = served.connect();
    client.say(format!("PUT /ignore HTTP/1.1\r\nhost: x\r\ncontent-length: {BODY_BYTES}\r\n\r\n").as_bytes());
    // All of it is sent before the answer is looked at, as simple clients do.
    client.say(&vec![b'x'; BODY_BYTES]);
    client.0.shutdown(std::net::Shutdown::Write).expect("half close");
    let answer = client.rest_in_order();
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("connection: close"), "{answer}");
}
