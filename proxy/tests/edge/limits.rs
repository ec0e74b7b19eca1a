//! Bounds: header sections, slow peers, how many connections, how much memory.

use std::io::{Read, Write};
use std::time::Duration;

use crate::served::{Client, Served, get, http2};

const SOON: Duration = Duration::from_millis(150);

fn with_header(bytes: usize) -> Vec<u8> {
    format!("GET /headers HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-large: {}\r\n\r\n", "y".repeat(bytes))
        .into_bytes()
}

#[test]
fn header_sections_are_bounded() {
    let served = Served::start();
    let check = |request: &[u8], status: &str| {
        let mut client = served.connect();
        // The edge may have answered and closed before it is all said.
        let _ = client.0.write_all(request);
        let answer = client.rest();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    };
    let lines = |count: usize| {
        let lines: Vec<String> = (0..count).map(|number| format!("x-amz-meta-{number}: v\r\n")).collect();
        let lines = lines.concat();
        format!("GET /headers HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}\r\n").into_bytes()
    };
    check(&with_header(100), "200");
    check(&with_header(60 * 1024), "200");
    check(&with_header(64 * 1024), "431");
    check(&with_header(1024 * 1024), "431");
    check(&lines(250), "200");
    check(&lines(260), "431");
    check(format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "k".repeat(1024 * 1024)).as_bytes(), "4");
}

#[tokio::test]
async fn http2_header_sections_are_bounded() {
    let served = Served::start();
    let mut client = http2(tokio::net::TcpStream::connect(served.http[0]).await.expect("connect")).await;
    let ask = async |client: &mut hyper::client::conn::http2::SendRequest<_>, bytes: usize| {
        let request = http::Request::get("http://x/headers").header("x-large", "y".repeat(bytes));
        let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).expect("request");
        client.send_request(request).await.map(|response| response.status().as_u16())
    };
    assert_eq!(ask(&mut client, 60 * 1024).await.expect("answer"), 200);
    assert_eq!(ask(&mut client, 100 * 1024).await.expect("answer"), 431);
    assert_eq!(get(&mut client, "/hello").await.expect("still open").0, 200);
}

#[test]
fn slow_header_sections_are_cut_off() {
    let served = Served::with(|limits| (limits.header_read, limits.tls_handshake) = (SOON, SOON));
    for start in [&b""[..], b"G", b"PRI * HT", b"GET /hello HTTP/1.1\r\nhost:", b"\x16\x03\x01"] {
        let mut client = served.connect();
        client.say(start);
        assert_eq!(client.rest(), "", "{start:?}");
    }
    let mut client = served.connect();
    client.say(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
    client.answer();
    client.say(b"GET /hel");
    assert_eq!(client.rest(), "");
}

#[test]
fn slow_handshakes_are_cut_off() {
    let served = Served::with(|limits| limits.tls_handshake = SOON);
    let mut client = Client::new(served.https);
    client.say(b"\x16\x03\x01\x02\x00\x01");
    assert_eq!(client.rest(), "");
}

#[test]
fn idle_connections_are_closed_and_busy_ones_are_not() {
    let served = Served::with(|limits| limits.idle = SOON);
    let mut client = served.connect();
    client.say(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
    client.answer();
    let mut busy = served.connect();
    busy.say(b"GET /hang HTTP/1.1\r\nhost: x\r\n\r\n");
    // The first one's end shows that more than the bound has gone by for the second.
    assert_eq!(client.rest_in_order(), "");
    let mut third = served.connect();
    third.say(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
    third.answer();
    assert_eq!(third.rest_in_order(), "");
    served.probe.release.add_permits(1);
    assert!(busy.answer().ends_with("\r\n\r\n0"));
}

#[test]
fn a_stalled_body_times_out_and_is_answered() {
    let served = Served::with(|limits| limits.body_stall = SOON);
    let mut client = served.connect();
    client.say(b"PUT /count HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n123");
    let answer = client.rest();
    assert!(answer.ends_with("\r\n\r\n3 then TimedOut") && answer.contains("connection: close"), "{answer}");
}

#[test]
fn a_client_that_takes_no_answer_is_cut_off() {
    let served = Served::with(|limits| limits.response_stall = SOON);
    let mut client = served.connect();
    client.say(b"GET /large/400 HTTP/1.1\r\nhost: x\r\n\r\n");
    // Its first byte, and then the end of a connection that comes after the cut.
    client.until("H");
    let mut other = served.connect();
    other.say(b"GET /large/400 HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut all = Vec::new();
    served.handle.stop();
    // Draining ends only when both have been cut off.
    let mut served = served;
    served.ended();
    let _ = client.0.read_to_end(&mut all);
    assert!(all.len() < 100 * 1024 * 1024, "cut before the end");
}

#[test]
fn connections_are_bounded() {
    let served = Served::with(|limits| limits.connections = 2);
    let mut first = served.connect();
    let mut second = served.connect();
    for client in [&mut first, &mut second] {
        client.say(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
        client.answer();
    }
    let mut third = served.connect();
    let _ = third.0.write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(third.rest(), "");
    first.say(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(first.answer().starts_with("HTTP/1.1 200"));
}

#[test]
fn connections_of_a_tenant_are_bounded() {
    let served = Served::with(|limits| limits.connections_per_tenant = 2);
    let ask = |client: &mut Client, tenant: &str| {
        client.say(format!("GET /tenant/{tenant} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
        client.answer()[9..12].to_owned()
    };
    let mut clients: Vec<Client> = (0..3).map(|_| served.connect()).collect();
    for (client, tenant, status) in [
        (0, "a", "200"),
        (0, "a", "200"),
        (1, "a", "200"),
        (2, "a", "404"),
        (2, "b", "200"),
        (0, "b", "200"),
        (1, "b", "404"),
    ] {
        assert_eq!(ask(&mut clients[client], tenant), status, "client {client} for {tenant}");
    }
}

#[test]
fn bodies_wait_when_too_many_bytes_are_on_the_way() {
    const CLIENTS: usize = 8;
    const BODY: &[u8] = &[b'x'; 3 * 1024 * 1024];
    // Every frame fills the budget, so that readers take turns; all of them must come to their end.
    let served = Served::with(|limits| limits.body_bytes_in_flight = 1);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = served.connect();
            std::thread::spawn(move || {
                client.say(
                    format!("PUT /count HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", BODY.len()).as_bytes(),
                );
                client.say(BODY);
                client.answer()
            })
        })
        .collect();
    for client in clients {
        assert!(client.join().expect("client").ends_with(&format!("\r\n\r\n{}", BODY.len())));
    }
}

#[test]
fn memory_stays_flat_whatever_goes_through() {
    const PIECES: usize = 4096; // of 256 KiB: 1 GiB
    // Room for the tests that may run beside this one in the same process.
    const GROWTH_BYTES_MAX: usize = 128 * 1024 * 1024;
    let served = Served::start();
    let before = peak_bytes();
    let mut client = served.connect();
    client.say(format!("GET /large/{PIECES} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes());
    let mut sink = vec![0; 256 * 1024];
    let mut received = 0;
    while let Ok(bytes @ 1..) = client.0.read(&mut sink) {
        received += bytes;
    }
    assert!(received > PIECES * 256 * 1024);
    upload_and_read_back(&served, 256 * 1024 * 1024);
    let growth = peak_bytes().saturating_sub(before);
    assert!(growth < GROWTH_BYTES_MAX, "{growth} bytes");
}

/// Sends a body to the echo on one thread and reads it on this one.
fn upload_and_read_back(served: &Served, length: usize) {
    let mut client = served.connect();
    let mut writer = client.0.try_clone().expect("clone");
    let writing = std::thread::spawn(move || {
        write!(writer, "PUT /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n")
            .expect("head");
        let piece = vec![b'x'; 64 * 1024];
        (0..length / piece.len()).for_each(|_| writer.write_all(&piece).expect("body"));
    });
    client.until("\r\n\r\n");
    let received = std::io::copy(&mut client.0, &mut std::io::sink()).expect("read");
    assert_eq!(received, length as u64);
    writing.join().expect("written");
}

/// The most memory that this process has had.
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("peak");
    line.trim().trim_end_matches(" kB").trim().parse::<usize>().expect("a number") * 1024
}
