//! A keep-alive HTTP/1.1 client that spends as little as it can: one buffer per connection, heads read by hand,
//! bodies counted and dropped unless asked for.
//!
//! It understands what the measured servers send: `Content-Length`, `chunked`, bodies ended by close. It is no
//! general client and trusts its servers.

use std::io::IoSlice;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes read at once: large enough that a 64 MiB body costs few system calls.
const BUFFER_BYTES: usize = 256 * 1024;

/// A request ready to be written: a signed head and a body that many requests may share.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub head: Vec<u8>,
    pub body: Bytes,
}

/// What came back, without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Bytes of the body.
    pub length: u64,
}

/// One connection; opened at the first exchange and again after the server closed it.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Box<[u8]>,
    filled: usize,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    framing: Framing,
    close: bool,
    bytes: usize,
}

impl Connection {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, buffer: vec![0; BUFFER_BYTES].into(), filled: 0 }
    }

    /// Sends a request and reads its whole reply; the body goes to `keep` where one is given.
    pub async fn exchange(&mut self, request: &Prepared, keep: Option<&mut Vec<u8>>) -> Result<Reply> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        send(&mut stream, &request.head, &request.body).await.context("request not taken")?;
        let head = self.read_head(&mut stream).await?;
        self.consume(head.bytes);
        let length = match head.framing {
            Framing::Length(length) => self.read_length(&mut stream, length, keep).await?,
            Framing::Chunked => self.read_chunks(&mut stream, keep).await?,
            Framing::UntilClose => self.read_to_end(&mut stream, keep).await?,
        };
        if !head.close && head.framing != Framing::UntilClose {
            self.stream = Some(stream);
        }
        Ok(Reply { status: head.status, length })
    }

    async fn connect(&mut self) -> Result<TcpStream> {
        self.filled = 0;
        let stream = TcpStream::connect(self.address).await.with_context(|| format!("connect {}", self.address))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn read_head(&mut self, stream: &mut TcpStream) -> Result<Head> {
        loop {
            if let Some(end) = find(&self.buffer[..self.filled], b"\r\n\r\n") {
                return parse_head(&self.buffer[..end + 4]);
            }
            if self.fill(stream).await? == 0 {
                bail!("connection closed before a reply");
            }
        }
    }

    async fn read_length(
        &mut self,
        stream: &mut TcpStream,
        length: u64,
        mut keep: Option<&mut Vec<u8>>,
    ) -> Result<u64> {
        let mut left = length;
        loop {
            let have = usize::try_from(left).unwrap_or(usize::MAX).min(self.filled);
            if let Some(keep) = keep.as_deref_mut() {
                keep.extend_from_slice(&self.buffer[..have]);
            }
            self.consume(have);
            left -= have as u64;
            if left == 0 {
                return Ok(length);
            }
            if self.fill(stream).await? == 0 {
                bail!("connection closed {left} bytes before the end");
            }
        }
    }

    async fn read_chunks(&mut self, stream: &mut TcpStream, mut keep: Option<&mut Vec<u8>>) -> Result<u64> {
        let mut total = 0;
        loop {
            let line = self.read_line(stream).await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(digits, 16).with_context(|| format!("chunk size {line:?}"))?;
            if size == 0 {
                while !self.read_line(stream).await?.is_empty() {}
                return Ok(total);
            }
            self.read_length(stream, size, keep.as_deref_mut()).await?;
            self.read_line(stream).await?;
            total += size;
        }
    }

    async fn read_line(&mut self, stream: &mut TcpStream) -> Result<String> {
        loop {
            if let Some(end) = find(&self.buffer[..self.filled], b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.consume(end + 2);
                return Ok(line);
            }
            if self.fill(stream).await? == 0 {
                bail!("connection closed inside a chunked body");
            }
        }
    }

    async fn read_to_end(&mut self, stream: &mut TcpStream, mut keep: Option<&mut Vec<u8>>) -> Result<u64> {
        let mut total = 0;
        loop {
            if let Some(keep) = keep.as_deref_mut() {
                keep.extend_from_slice(&self.buffer[..self.filled]);
            }
            total += self.filled as u64;
            self.filled = 0;
            if self.fill(stream).await? == 0 {
                return Ok(total);
            }
        }
    }

    async fn fill(&mut self, stream: &mut TcpStream) -> Result<usize> {
        if self.filled == self.buffer.len() {
            bail!("a head or line longer than {BUFFER_BYTES} bytes");
        }
        let read = stream.read(&mut self.buffer[self.filled..]).await.context("reply not readable")?;
        self.filled += read;
        Ok(read)
    }

    fn consume(&mut self, bytes: usize) {
        self.buffer.copy_within(bytes..self.filled, 0);
        self.filled -= bytes;
    }
}

/// Head and body in one system call where they are small.
async fn send(stream: &mut TcpStream, head: &[u8], body: &[u8]) -> std::io::Result<()> {
    let mut sent = 0;
    while sent < head.len() + body.len() {
        let wrote = if sent < head.len() {
            stream.write_vectored(&[IoSlice::new(&head[sent..]), IoSlice::new(body)]).await?
        } else {
            stream.write(&body[sent - head.len()..]).await?
        };
        if wrote == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        sent += wrote;
    }
    Ok(())
}

fn parse_head(head: &[u8]) -> Result<Head> {
    let text = std::str::from_utf8(head).context("head is not text")?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status: u16 = first
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .with_context(|| format!("status line {first:?}"))?;
    let mut framing = Framing::UntilClose;
    let mut close = first.starts_with("HTTP/1.0");
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            framing = Framing::Length(value.parse().context("content-length")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            framing = Framing::Chunked;
        } else if name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") {
            close = true;
        }
    }
    if status == 204 || status == 304 {
        framing = Framing::Length(0);
    }
    Ok(Head { status, framing, close, bytes: head.len() })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_heads() {
        let check = |text: &str, status, framing, close| {
            let head = parse_head(text.as_bytes()).expect(text);
            assert_eq!((head.status, head.framing, head.close), (status, framing, close), "{text:?}");
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", 200, Framing::Length(7), false);
        check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", 200, Framing::Chunked, false);
        check("HTTP/1.1 204 No Content\r\n\r\n", 204, Framing::Length(0), false);
        check("HTTP/1.0 200 OK\r\n\r\n", 200, Framing::UntilClose, true);
        check("HTTP/1.1 403 No\r\nConnection: close\r\ncontent-length: 0\r\n\r\n", 403, Framing::Length(0), true);
        assert!(parse_head(b"garbage\r\n\r\n").is_err());
    }
}
