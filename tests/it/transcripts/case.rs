//! The format of a case: `#` comments, `>` lines of a request, `<` lines of the reply it must get.
//!
//! ```text
//! # What this case shows.
//! > PUT /{{bucket}}/k
//! > Content-Type: text/plain
//! >
//! > hello
//! < 200
//! < ETag: "5d41402abc4b2a76b9719d911017c592"
//! ```
//!
//! A `!` before a line of a request's header block is an instruction: `! anonymous` sends it unsigned, `! secret wrong`
//! signs with another secret. In replies `<<any>>` stands for any text and `<<name>>` captures it for `{{name}}` in later
//! requests. `{{bucket}}` is always there and unique. Replies list only the headers that matter; a body is compared
//! where one is given, XML after breaking lines between elements.

use std::collections::BTreeMap;
use std::fmt;

/// Headers whose values differ from run to run: masked when a reply is written.
const VOLATILE_HEADERS: &[&str] = &["date", "x-amz-request-id", "x-amz-id-2", "cf-ray", "last-modified"];
/// Elements likewise.
const VOLATILE_ELEMENTS: &[&str] =
    &["RequestId", "HostId", "LastModified", "CreationDate", "Initiated", "UploadId", "ID"];

pub struct Case {
    lead: Vec<String>,
    pub exchanges: Vec<Exchange>,
}

pub struct Exchange {
    pub request: Request,
    reply: Reply,
    /// Comments after the reply.
    trail: Vec<String>,
}

#[derive(Clone, Default)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub instructions: Vec<String>,
}

#[derive(Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// Names a case has captured.
pub struct Names(BTreeMap<String, String>);

impl Names {
    pub fn new() -> Self {
        let mut bytes = [0; 8];
        aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
        let bucket = format!("mf-case-{}", data_encoding::HEXLOWER.encode(&bytes));
        Self(BTreeMap::from([("bucket".to_owned(), bucket)]))
    }

    /// What the target calls the place where the case runs.
    pub fn insert(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").ok_or_else(|| format!("unclosed {{{{ in {text:?}"))?;
            filled.push_str(before);
            filled.push_str(self.0.get(name).ok_or_else(|| format!("nothing captured as {name:?}"))?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// The reverse, for writing replies.
    fn mask(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(value, &format!("{{{{{name}}}}}")))
    }
}

impl Case {
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lead = Vec::new();
        let mut exchanges: Vec<Exchange> = Vec::new();
        let mut lines = text.lines().enumerate().peekable();
        while let Some(&(number, line)) = lines.peek() {
            if line.starts_with('>') {
                let sent = block(&mut lines, &['>', '!']);
                let got = block(&mut lines, &['<']);
                let request = parse_request(&sent).map_err(|why| format!("line {}: {why}", number + 1))?;
                let reply = parse_reply(&got).map_err(|why| format!("line {}: {why}", number + 1))?;
                exchanges.push(Exchange { request, reply, trail: Vec::new() });
            } else {
                let into = exchanges.last_mut().map_or(&mut lead, |exchange| &mut exchange.trail);
                into.push(line.to_owned());
                lines.next();
            }
        }
        Ok(Self { lead, exchanges })
    }
}

fn block<'a>(
    lines: &mut std::iter::Peekable<impl Iterator<Item = (usize, &'a str)>>,
    marks: &[char],
) -> Vec<(char, String)> {
    let mut found = Vec::new();
    while let Some((_, line)) = lines.next_if(|(_, line)| line.starts_with(marks)) {
        let mark = line.chars().next().unwrap_or_default();
        let rest = &line[1..];
        found.push((mark, rest.strip_prefix(' ').unwrap_or(rest).to_owned()));
    }
    found
}

fn parse_request(lines: &[(char, String)]) -> Result<Request, String> {
    let instructions = lines.iter().filter(|(mark, _)| *mark == '!').map(|(_, line)| line.clone()).collect();
    let lines: Vec<&str> = lines.iter().filter(|(mark, _)| *mark == '>').map(|(_, line)| line.as_str()).collect();
    let (first, rest) = lines.split_first().ok_or("no request")?;
    let (method, target) = first.split_once(' ').ok_or("a request starts with method and target")?;
    let (headers, body) = parse_rest(rest)?;
    Ok(Request { method: method.to_owned(), target: target.to_owned(), headers, body, instructions })
}

fn parse_reply(lines: &[(char, String)]) -> Result<Reply, String> {
    let lines: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
    // A new case has no reply yet: UPDATE=1 writes it.
    let Some((first, rest)) = lines.split_first() else { return Ok(Reply::default()) };
    let status = first.parse().map_err(|_| format!("{first:?} is not a status"))?;
    let (headers, body) = parse_rest(rest)?;
    Ok(Reply { status, headers, body })
}

type Rest = (Vec<(String, String)>, String);

fn parse_rest(lines: &[&str]) -> Result<Rest, String> {
    let end = lines.iter().position(|line| line.is_empty()).unwrap_or(lines.len());
    let headers = lines[..end]
        .iter()
        .map(|line| {
            line.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned())).ok_or(format!("{line:?} is no header"))
        })
        .collect::<Result<_, _>>()?;
    Ok((headers, lines.get(end + 1..).unwrap_or_default().join("\n")))
}

impl Request {
    pub fn filled(&self, names: &Names) -> Result<Self, String> {
        Ok(Self {
            method: self.method.clone(),
            target: names.fill(&self.target)?,
            headers: self
                .headers
                .iter()
                .map(|(n, v)| Ok((n.clone(), names.fill(v)?)))
                .collect::<Result<_, String>>()?,
            body: names.fill(&self.body)?,
            instructions: self.instructions.clone(),
        })
    }

    pub fn instruction(&self, name: &str) -> Option<&str> {
        self.instructions.iter().find_map(|line| line.strip_prefix(name)).map(str::trim)
    }
}

impl Exchange {
    pub fn check(&self, got: &Reply, names: &mut Names) -> Result<(), String> {
        let mut wrong = Vec::new();
        if got.status != self.reply.status {
            wrong.push(format!("  status {} where {} was expected: {}", got.status, self.reply.status, got.body));
        }
        for (name, want) in &self.reply.headers {
            let want = names.fill(want)?;
            match got.header(name) {
                None => wrong.push(format!("  no header {name}")),
                Some(value) if !matches(&want, value) => wrong.push(format!("  {name}: {value}, expected {want}")),
                Some(_) => {}
            }
        }
        if !self.reply.body.is_empty() {
            let (want, have) = (names.fill(&self.reply.body)?, broken(&got.body));
            if !matches(&want, &have) {
                wrong.push(format!("  body\n{have}\n  expected\n{want}"));
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(format!("{} {}\n{}", self.request.method, self.request.target, wrong.join("\n")))
    }

    /// Keeps what `<<name>>` stands for.
    pub fn capture(&self, got: &Reply, names: &mut Names) {
        let body = broken(&got.body);
        let headers = self.reply.headers.iter().filter_map(|(name, want)| Some((want.as_str(), got.header(name)?)));
        for (want, have) in self.reply.body.lines().zip(body.lines()).chain(headers) {
            if let Some((before, rest)) = want.split_once("<<")
                && let Some((name, after)) = rest.split_once(">>")
                && name != "any"
                && let Some(value) = have.strip_prefix(before).and_then(|have| have.strip_suffix(after))
            {
                names.0.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// The reply as it was, volatile parts masked; a line that was masked by hand and still matches stays as it is.
    pub fn rewrite(&mut self, got: &Reply, names: &Names) {
        let old = std::mem::take(&mut self.reply);
        let kept = |want: &str, have: &str| names.fill(want).is_ok_and(|want| matches(&want, have));
        let headers = got.headers.iter().filter(|(name, _)| !left_out(name, &got.body)).map(|(name, value)| {
            let before = old.headers.iter().find(|(n, want)| n.eq_ignore_ascii_case(name) && kept(want, value));
            match before {
                Some(before) => before.clone(),
                None if VOLATILE_HEADERS.contains(&name.as_str()) => (name.clone(), "<<any>>".to_owned()),
                None => (name.clone(), names.mask(value)),
            }
        });
        let body = broken(&got.body);
        let mut before = old.body.lines().fuse();
        let lines = body.lines().map(|line| match before.next() {
            Some(want) if kept(want, line) => want.to_owned(),
            _ => names.mask(&mask_element(line)),
        });
        self.reply =
            Reply { status: got.status, headers: headers.collect(), body: lines.collect::<Vec<_>>().join("\n") };
    }
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Headers that say nothing: random ones without a mask's use, and the length of documents that hold times.
fn left_out(name: &str, body: &str) -> bool {
    matches!(name, "date" | "x-amz-id-2") || (name == "content-length" && body.starts_with("<?xml"))
}

fn mask_element(line: &str) -> String {
    for name in VOLATILE_ELEMENTS {
        if line.starts_with(&format!("<{name}>")) && line.ends_with(&format!("</{name}>")) {
            return format!("<{name}><<any>></{name}>");
        }
    }
    line.to_owned()
}

/// XML with a line per element, so that a difference names its element.
fn broken(body: &str) -> String {
    if body.starts_with("<?xml") { body.replace("><", ">\n<") } else { body.to_owned() }
}

/// Whether `have` is `want` with each `<<…>>` standing for some text without a line break.
fn matches(want: &str, have: &str) -> bool {
    let mut want_lines = want.lines();
    let mut have_lines = have.lines();
    loop {
        match (want_lines.next(), have_lines.next()) {
            (None, None) => return true,
            (Some(want), Some(have)) if line_matches(want, have) => {}
            _ => return false,
        }
    }
}

fn line_matches(want: &str, have: &str) -> bool {
    let Some((before, rest)) = want.split_once("<<") else { return want == have };
    let Some((_, after)) = rest.split_once(">>") else { return want == have };
    have.strip_prefix(before).is_some_and(|have| {
        (0..=have.len()).filter(|at| have.is_char_boundary(*at)).any(|at| line_matches(after, &have[at..]))
    })
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lead {
            writeln!(f, "{line}")?;
        }
        for Exchange { request, reply, trail } in &self.exchanges {
            writeln!(f, "> {} {}", request.method, request.target)?;
            for line in &request.instructions {
                writeln!(f, "! {line}")?;
            }
            write_rest(f, '>', &request.headers, &request.body)?;
            writeln!(f, "< {}", reply.status)?;
            write_rest(f, '<', &reply.headers, &reply.body)?;
            for line in trail {
                writeln!(f, "{line}")?;
            }
        }
        Ok(())
    }
}

fn write_rest(f: &mut fmt::Formatter<'_>, mark: char, headers: &[(String, String)], body: &str) -> fmt::Result {
    for (name, value) in headers {
        writeln!(f, "{mark} {name}: {value}")?;
    }
    if body.is_empty() {
        return Ok(());
    }
    writeln!(f, "{mark}")?;
    for line in body.split('\n') {
        writeln!(f, "{}", format!("{mark} {line}").trim_end())?;
    }
    Ok(())
}

#[test]
fn masks_match() {
    for (want, have, matched) in [
        ("a<<any>>c", "abc", true),
        ("a<<any>>c", "ac", true),
        ("a<<any>>c", "abd", false),
        ("<<x>>-<<y>>", "1-2", true),
        ("plain", "plain", true),
        ("plain", "plainer", false),
        ("a\nb", "a", false),
    ] {
        assert_eq!(matches(want, have), matched, "{want} {have}");
    }
}
