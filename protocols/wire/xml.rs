//! XML documents, written by hand into one string and read into a small tree.
//!
//! Writing: elements only, in the order the wire's clients expect; characters that XML 1.0 forbids go out as
//! numeric references, as S3 sends them. Reading: bounded in size by the caller and in depth and elements
//! here; document types are refused, so there are no entities to expand.

use std::fmt::Write as _;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// Deepest nesting of a request document.
pub const DEPTH_MAX: usize = 16;
/// Most elements of a request document: 10,000 parts with every checksum field.
pub const ELEMENTS_MAX: usize = 100_000;

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// Appends elements to a document.
#[derive(Debug)]
pub struct Writer {
    out: String,
}

impl Writer {
    /// Opens `root`; close it before [`Writer::finish`].
    pub fn new(root: &str, namespace: Option<&str>) -> Self {
        Self::with_capacity(root, namespace, 512)
    }

    pub fn with_capacity(root: &str, namespace: Option<&str>, bytes: usize) -> Self {
        let mut out = String::with_capacity(bytes);
        out.push_str(DECLARATION);
        out.push('<');
        out.push_str(root);
        if let Some(namespace) = namespace {
            out.push_str(" xmlns=\"");
            out.push_str(namespace);
            out.push('"');
        }
        out.push('>');
        Self { out }
    }

    pub fn open(&mut self, name: &str) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
    }

    /// `<name attributes>`; `attributes` is written as it is.
    pub fn open_with(&mut self, name: &str, attributes: &str) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push(' ');
        self.out.push_str(attributes);
        self.out.push('>');
    }

    pub fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    pub fn text(&mut self, name: &str, value: &str) {
        self.open(name);
        escape_into(&mut self.out, value);
        self.close(name);
    }

    /// Character data of the element that is open.
    pub fn append(&mut self, value: &str) {
        escape_into(&mut self.out, value);
    }

    /// Character data as form values are encoded, slashes kept: what S3 means by `encoding-type=url`.
    pub fn append_url_encoded(&mut self, value: &str) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                    self.out.push(char::from(byte));
                }
                b' ' => self.out.push('+'),
                _ => {
                    self.out.push('%');
                    self.out.push(char::from(DIGITS[usize::from(byte >> 4)]));
                    self.out.push(char::from(DIGITS[usize::from(byte & 15)]));
                }
            }
        }
    }

    pub fn text_if(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    pub fn number(&mut self, name: &str, value: u64) {
        self.open(name);
        // Writing to a String can't fail.
        let _ = write!(self.out, "{value}");
        self.close(name);
    }

    pub fn boolean(&mut self, name: &str, value: bool) {
        self.open(name);
        self.out.push_str(if value { "true" } else { "false" });
        self.close(name);
    }

    /// An ETag with the quotes it wears on the wire.
    pub fn etag(&mut self, name: &str, etag: &str) {
        self.open(name);
        self.out.push_str("&quot;");
        escape_into(&mut self.out, etag);
        self.out.push_str("&quot;");
        self.close(name);
    }

    pub fn finish(mut self, root: &str) -> String {
        self.close(root);
        self.out
    }
}

/// Appends `text` with markup, and what XML 1.0 can't hold, as references.
pub fn escape_into(out: &mut String, text: &str) {
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        let reference: Option<&str> = match c {
            '&' => Some("&amp;"),
            '<' => Some("&lt;"),
            '>' => Some("&gt;"),
            '"' => Some("&quot;"),
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\r' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => None,
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        plain = at + c.len_utf8();
        match reference {
            Some(reference) => out.push_str(reference),
            None => {
                let _ = write!(out, "&#x{:x};", u32::from(c));
            }
        }
    }
    out.push_str(&text[plain..]);
}

/// An element of a request document; names without their namespace prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    /// Character data directly inside, references resolved; not trimmed.
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Why a document can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    #[error("not well-formed")]
    Malformed,
    #[error("too deep or too many elements")]
    TooComplex,
}

/// Reads a whole document.
pub fn parse(bytes: &[u8]) -> Result<Element, XmlError> {
    let text = std::str::from_utf8(bytes).map_err(|_| XmlError::Malformed)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut elements = 0;
    loop {
        match reader.read_event().map_err(|_| XmlError::Malformed)? {
            event @ (Event::Start(_) | Event::Empty(_)) => {
                elements += 1;
                if elements > ELEMENTS_MAX || open.len() >= DEPTH_MAX {
                    return Err(XmlError::TooComplex);
                }
                if open.is_empty() && root.is_some() {
                    return Err(XmlError::Malformed);
                }
                match event {
                    Event::Start(start) => open.push(element(&start)?),
                    Event::Empty(start) => attach(element(&start)?, &mut open, &mut root),
                    _ => {}
                }
            }
            Event::End(_) => {
                let done = open.pop().ok_or(XmlError::Malformed)?;
                attach(done, &mut open, &mut root);
            }
            Event::Text(text) => character_data(&text.xml10_content(), &mut open)?,
            Event::CData(text) => character_data(&text.xml10_content(), &mut open)?,
            Event::GeneralRef(reference) => {
                let c = match reference.resolve_char_ref().map_err(|_| XmlError::Malformed)? {
                    Some(c) => c,
                    None => predefined(&reference.xml10_content()).ok_or(XmlError::Malformed)?,
                };
                character_data(c.encode_utf8(&mut [0; 4]), &mut open)?;
            }
            Event::DocType(_) => return Err(XmlError::Malformed),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err(XmlError::Malformed);
    }
    root.ok_or(XmlError::Malformed)
}

fn element(start: &BytesStart<'_>) -> Result<Element, XmlError> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| XmlError::Malformed)?;
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|_| XmlError::Malformed)?;
        let name = attribute.key.local_name();
        attributes.push((name.into_inner().to_owned(), value.into_owned()));
    }
    let name = start.local_name().into_inner().to_owned();
    Ok(Element { name, attributes, ..Element::default() })
}

fn attach(done: Element, open: &mut [Element], root: &mut Option<Element>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None => *root = Some(done),
    }
}

fn character_data(text: &str, open: &mut [Element]) -> Result<(), XmlError> {
    match open.last_mut() {
        Some(parent) => parent.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(XmlError::Malformed),
    }
    Ok(())
}

fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_escape(text: &str, want: &str) {
        let mut out = String::new();
        escape_into(&mut out, text);
        assert_eq!(out, want);
    }

    #[test]
    fn escapes() {
        check_escape("plain/päth 😀", "plain/päth 😀");
        check_escape("a&b<c>\"d\"", "a&amp;b&lt;c&gt;&quot;d&quot;");
        check_escape("\u{1}x\r\n\t\u{fffe}", "&#x1;x&#xd;\n\t&#xfffe;");
        check_escape("", "");
    }

    fn check_bad(document: &str, want: XmlError) {
        assert_eq!(parse(document.as_bytes()), Err(want), "{document}");
    }

    #[test]
    fn refuses() {
        check_bad("", XmlError::Malformed);
        check_bad("text", XmlError::Malformed);
        check_bad("<a>", XmlError::Malformed);
        check_bad("<a></b>", XmlError::Malformed);
        check_bad("<a/><b/>", XmlError::Malformed);
        check_bad("<a>&nope;</a>", XmlError::Malformed);
        check_bad("<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", XmlError::Malformed);
        check_bad(&"<a>".repeat(DEPTH_MAX + 1), XmlError::TooComplex);
    }

    #[test]
    fn reads() {
        let tree = parse(
            b"<?xml version=\"1.0\"?>\n<s:Delete xmlns:s=\"http://x/\"><Object t='1'><Key>a&amp;b&#x1;<![CDATA[<]]></Key></Object><Quiet/></s:Delete>",
        )
        .expect("well-formed");
        assert_eq!(tree.name, "Delete");
        assert_eq!(tree.children.len(), 2);
        let object = tree.child("Object").expect("there");
        assert_eq!(object.attribute("t"), Some("1"));
        assert_eq!(object.text_of("Key"), Some("a&b\u{1}<"));
        assert_eq!(tree.text_of("Quiet"), Some(""));
    }

    proptest::proptest! {
        #[test]
        fn written_text_reads_back(text in "[ -~\u{e4}\u{1f600}\r\n\t]{0,40}") {
            let mut writer = Writer::new("R", Some("http://x/"));
            writer.text("V", &text);
            let document = writer.finish("R");
            let tree = parse(document.as_bytes()).expect("what we write is well-formed");
            proptest::prop_assert_eq!(&tree.child("V").expect("there").text, &text);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
