//! Compressed bodies: gzip is undone, everything else refused, so that no compressed byte is stored by accident.

use async_compression::tokio::bufread::GzipDecoder;
use axum::body::Body;
use futures::TryStreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio_util::io::{ReaderStream, StreamReader};

use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::body_permit::hold;
use crate::budget::{Budget, Part};

/// What decoding takes beside the bytes that come out: deflate's window of 32 KiB, its tables, and a piece of output.
const DECODER_BYTES: usize = 64 * 1024;

/// Bytes that are decoded at a time.
const PIECE_BYTES: usize = 16 * 1024;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentEncoding {
    Identity,
    Gzip,
}

impl ContentEncoding {
    /// What the headers say.
    ///
    /// # Errors
    /// `415 unsupported_encoding` for every coding but one `gzip` and `identity`, and for every `Transfer-Encoding` but
    /// `chunked`.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
        if let Some(coding) = codings(headers, &header::TRANSFER_ENCODING).find(|coding| !chunked(coding)) {
            return Err(unsupported(&header::TRANSFER_ENCODING, coding));
        }
        let identity = |coding: &[u8]| coding.eq_ignore_ascii_case(b"identity");
        let mut codings = codings(headers, &header::CONTENT_ENCODING).filter(|coding| !identity(coding));
        match (codings.next(), codings.next()) {
            (None, _) => Ok(Self::Identity),
            // RFC 9110, section 8.4.1.3: the two names mean the same.
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") => {
                Ok(Self::Gzip)
            }
            (Some(_), Some(coding)) | (Some(coding), None) => Err(unsupported(&header::CONTENT_ENCODING, coding)),
        }
    }

    /// The decoded body. Its length is unknown, so that its reader has to bound it. Reading fails where the body is not gzip
    /// or ends early.
    ///
    /// # Errors
    /// `503 overloaded` where there is no room for a decoder.
    ///
    /// # Cancel safety
    /// Awaits the budget; nothing of the body is read.
    pub(crate) async fn undo(self, body: Body, budget: &Budget) -> Result<Body, ApiError> {
        if self == Self::Identity {
            return Ok(body);
        }
        let permit = budget.reserve(Part::WholeBodies, DECODER_BYTES.min(budget.most())).await?;
        let compressed = StreamReader::new(body.into_data_stream().map_err(std::io::Error::other));
        let mut decoder = GzipDecoder::new(compressed);
        // RFC 1952, section 2.2: a file is a series of members.
        decoder.multiple_members(true);
        Ok(hold(Body::from_stream(ReaderStream::with_capacity(decoder, PIECE_BYTES)), permit))
    }
}

fn codings<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    let values = headers.get_all(name).iter();
    let codings = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii));
    codings.filter(|coding| !coding.is_empty())
}

fn unsupported(name: &HeaderName, coding: &[u8]) -> ApiError {
    let coding = String::from_utf8_lossy(coding);
    let detail = format!("header {name}: {coding} is not supported; a body may be compressed once, with gzip");
    // RFC 9110, section 15.5.16: what would be taken.
    ApiError::new(ErrorCode::UnsupportedEncoding, detail)
        .header(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::api::request::body::read_error;
    use crate::config::Size;

    /// `printf hello | gzip -n`
    const HELLO: &str = "1f8b0800000000000003cb48cdc9c907008 6a6103605000000";

    fn gzipped() -> Vec<u8> {
        hex::decode(HELLO.replace(' ', "")).expect("hex")
    }

    fn headers(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    async fn undone(bytes: Vec<u8>) -> Result<Bytes, ErrorCode> {
        let budget = Budget::new(Size::mib(1), Duration::ZERO);
        let headers = headers(header::CONTENT_ENCODING, &["gzip"]);
        let coding = ContentEncoding::of(&headers).expect("gzip is undone");
        let body = coding.undo(Body::from(bytes), &budget).await.expect("there is room");
        let collected = body.collect().await.map_err(|error| read_error(error).code())?;
        assert_eq!(budget.available(), budget.total(), "the decoder's share is given back");
        Ok(collected.to_bytes())
    }

    #[tokio::test]
    async fn gzip_is_undone_member_by_member() {
        assert_eq!(undone(gzipped()).await.as_deref(), Ok(&b"hello"[..]));
        assert_eq!(undone([gzipped(), gzipped()].concat()).await.as_deref(), Ok(&b"hellohello"[..]));
    }

    #[tokio::test]
    async fn what_is_no_gzip_or_ends_early_is_a_broken_body() {
        let mut wrong_sum = gzipped();
        wrong_sum[18] ^= 1;
        let cut = gzipped()[..20].to_vec();
        for broken in [b"hello".to_vec(), cut, wrong_sum, [gzipped(), b"more".to_vec()].concat()] {
            assert_eq!(undone(broken).await, Err(ErrorCode::BodyInvalid));
        }
    }

    #[test]
    fn one_gzip_is_undone_and_identity_is_nothing() {
        let content = |values: &[&'static str]| ContentEncoding::of(&headers(header::CONTENT_ENCODING, values));
        for plain in [&[][..], &["identity"], &["", "identity, Identity"]] {
            assert!(matches!(content(plain), Ok(ContentEncoding::Identity)), "{plain:?}");
        }
        for gzip in [&["gzip"][..], &["GZip"], &["x-gzip"], &["identity, gzip"]] {
            assert!(matches!(content(gzip), Ok(ContentEncoding::Gzip)), "{gzip:?}");
        }
        for refused in [&["br"][..], &["gzip, gzip"], &["gzip", "gzip"], &["deflate"], &["gzip;q=1"]] {
            let error = content(refused).expect_err("not undone");
            assert_eq!(error.code(), ErrorCode::UnsupportedEncoding, "{refused:?}");
        }
    }

    #[test]
    fn transfer_coding_is_chunked_or_nothing() {
        let transfer = |values: &[&'static str]| ContentEncoding::of(&headers(header::TRANSFER_ENCODING, values));
        assert!(matches!(transfer(&["chunked"]), Ok(ContentEncoding::Identity)));
        assert!(transfer(&["gzip, chunked"]).is_err());
    }
}
