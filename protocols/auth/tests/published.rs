//! The examples of AWS's own documents, as facts.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};

use super::{ACCESS_KEY, NOW_S, Rules, context, explain, request, verify};
use crate::auth::{Claim, Payload, PayloadHash};

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn check_v4(head: &str, signed: &str, signature: &str) {
    let head = format!(
        "{head}\nx-amz-date: 20130524T000000Z\nAuthorization: AWS4-HMAC-SHA256 \
         Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,SignedHeaders={signed},Signature={signature}"
    );
    let parts = request(&head);
    if let Err(error) = verify(&parts, &context(&Rules::S3, NOW_S)) {
        panic!("{head}\n{}", explain(&error));
    }
}

#[test]
fn version_4_headers() {
    let get =
        |target: &str| format!("GET {target}\nHost: examplebucket.s3.amazonaws.com\nx-amz-content-sha256: {EMPTY}");
    check_v4(
        &format!("{}\nRange: bytes=0-9", get("/test.txt")),
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
    check_v4(
        "PUT /test%24file.text
         Host: examplebucket.s3.amazonaws.com
         Date: Fri, 24 May 2013 00:00:00 GMT
         x-amz-storage-class: REDUCED_REDUNDANCY
         x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    );
    check_v4(
        &get("/?lifecycle"),
        "host;x-amz-content-sha256;x-amz-date",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    );
    check_v4(
        &get("/?max-keys=2&prefix=J"),
        "host;x-amz-content-sha256;x-amz-date",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    );
}

#[test]
fn version_4_presigned() {
    let parts = request(&format!(
        "GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={ACCESS_KEY}%2F20130524%2Fus-east-1%2Fs3%2F\
         aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
         &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404
         Host: examplebucket.s3.amazonaws.com"
    ));
    verify(&parts, &context(&Rules::S3, NOW_S)).expect("the published signature");
}

/// Splits `body` into frames of `frame` bytes and reads it through the framing that the request declares.
fn check_chunked(head: &str, signed: &str, signature: &str, body: &[u8], trailers: usize) {
    let head = format!(
        "{head}\nx-amz-date: 20130524T000000Z\nAuthorization: AWS4-HMAC-SHA256 \
         Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,SignedHeaders={signed},Signature={signature}"
    );
    let parts = request(&head);
    let claim = Claim::from_request(&parts).expect("well-formed").expect("signed");
    assert!(matches!(claim.payload, PayloadHash::Streaming { signed: true, .. }));
    let verified = match claim.verify(&parts, &context(&Rules::S3, NOW_S)) {
        Ok(verified) => verified,
        Err(error) => panic!("{}", explain(&error)),
    };
    assert!(verified.chunks.is_some());
    let body = Full::new(Bytes::copy_from_slice(body));
    let payload = Payload::new(body, claim.payload, &parts.headers, verified.chunks).expect("a length");
    let collected = super::block_on(payload.collect()).expect("verified chunks");
    assert_eq!(collected.trailers().map_or(0, http::HeaderMap::len), trailers);
    assert_eq!(collected.to_bytes(), vec![b'a'; 66_560]);
}

fn chunks(signatures: [&str; 3]) -> Vec<u8> {
    let mut body = Vec::new();
    for (size, signature) in [65_536, 1024, 0].into_iter().zip(signatures) {
        body.extend_from_slice(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
        if size > 0 {
            body.resize(body.len() + size, b'a');
            body.extend_from_slice(b"\r\n");
        }
    }
    body
}

#[test]
fn version_4_chunks() {
    let mut body = chunks([
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]);
    body.extend_from_slice(b"\r\n");
    check_chunked(
        "PUT /examplebucket/chunkObject.txt
         Host: s3.amazonaws.com
         x-amz-storage-class: REDUCED_REDUNDANCY
         x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD
         Content-Encoding: aws-chunked
         x-amz-decoded-content-length: 66560
         Content-Length: 66824",
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
         x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        &body,
        0,
    );
}

#[test]
fn version_4_trailers() {
    let signatures = [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ];
    let trailer_signature = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";
    // As written by AWS's clients, as printed in the document, and as written by an old client of another maker.
    for (after_trailer, end) in [("\r\n", "\r\n\r\n"), ("\n", "\r\n\r\n"), ("\n\r\n", "\r\n\r\n\r\n")] {
        let mut body = chunks(signatures);
        let trailers =
            format!("x-amz-checksum-crc32c:sOO8/Q=={after_trailer}x-amz-trailer-signature:{trailer_signature}{end}");
        body.extend_from_slice(trailers.as_bytes());
        check_chunked(
            "PUT /examplebucket/chunkObject.txt
             Host: s3.amazonaws.com
             x-amz-storage-class: REDUCED_REDUNDANCY
             x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
             Content-Encoding: aws-chunked
             x-amz-decoded-content-length: 66560
             x-amz-trailer: x-amz-checksum-crc32c",
            "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
             x-amz-storage-class;x-amz-trailer",
            "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
            &body,
            1,
        );
    }
}

/// Version 2: the host's bucket, where there is one, and the moment of the example.
fn check_v2(head: &str, bucket: Option<&str>, now_s: u64, signature: &str) {
    let parts = request(&format!("{head}\nAuthorization: AWS {ACCESS_KEY}:{signature}"));
    let mut context = context(&Rules::S3, now_s);
    context.bucket_in_host = bucket;
    if let Err(error) = verify(&parts, &context) {
        panic!("{head}\n{}", explain(&error));
    }
}

#[test]
fn version_2_headers() {
    let bucket = Some("johnsmith");
    check_v2(
        "GET /photos/puppy.jpg
         Host: johnsmith.s3.amazonaws.com
         Date: Tue, 27 Mar 2007 19:36:42 +0000",
        bucket,
        1_175_024_202,
        "bWq2s1WEIj+Ydj0vQ697zp+IXMU=",
    );
    check_v2(
        "PUT /photos/puppy.jpg
         Content-Type: image/jpeg
         Content-Length: 94328
         Host: johnsmith.s3.amazonaws.com
         Date: Tue, 27 Mar 2007 21:15:45 +0000",
        bucket,
        1_175_030_145,
        "MyyxeRY7whkBe+bq8fHCL/2kKUg=",
    );
    check_v2(
        "GET /?prefix=photos&max-keys=50&marker=puppy
         User-Agent: Mozilla/5.0
         Host: johnsmith.s3.amazonaws.com
         Date: Tue, 27 Mar 2007 19:42:41 +0000",
        bucket,
        1_175_024_561,
        "htDYFYduRNen8P9ZfE/s9SuKy0U=",
    );
    check_v2(
        "GET /?acl
         Host: johnsmith.s3.amazonaws.com
         Date: Tue, 27 Mar 2007 19:44:46 +0000",
        bucket,
        1_175_024_686,
        "c2WLPFtWHVgbEmeEG93a4cG37dM=",
    );
    check_v2(
        "PUT /db-backup.dat.gz
         User-Agent: curl/7.15.5
         Host: static.johnsmith.net:8080
         Date: Tue, 27 Mar 2007 21:06:08 +0000
         x-amz-acl: public-read
         content-type: application/x-download
         Content-MD5: 4gJE4saaMU4BqNR0kLY+lw==
         X-Amz-Meta-ReviewedBy: joe@johnsmith.net
         X-Amz-Meta-ReviewedBy: jane@johnsmith.net
         X-Amz-Meta-FileChecksum: 0x02661779
         X-Amz-Meta-ChecksumAlgorithm: crc32
         Content-Disposition: attachment; filename=database.dat
         Content-Encoding: gzip
         Content-Length: 5913339",
        Some("static.johnsmith.net"),
        1_175_029_568,
        "ilyl83RwaSoYIEdixDQcA4OnAnc=",
    );
    check_v2(
        "GET /
         Host: s3.amazonaws.com
         Date: Wed, 28 Mar 2007 01:29:59 +0000",
        None,
        1_175_045_399,
        "qGdzdERIC03wnaRNKh6OqZehG9s=",
    );
    check_v2(
        "GET /dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re
         Host: s3.amazonaws.com
         Date: Wed, 28 Mar 2007 01:49:49 +0000",
        None,
        1_175_046_589,
        "DNEZGsoieTZ92F3bUfSPQcbGmlM=",
    );
}
