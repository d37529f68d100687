//! A place in a whole stream, as Pravega's clients write it down.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use thiserror::Error;

use super::name::ScopedStream;
use super::segment_name::SegmentId;
use super::text::serde_as_text;

/// Longest text of a cut that is read, in bytes.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// Longest inner form, in bytes: some 40,000 segments.
const MAX_INNER_BYTES: u64 = 1024 * 1024;

/// The only version of the inner form. Source: StreamCutInternal.java.
const VERSION: &str = "0";

/// URL-safe, without padding.
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING.with_encode_padding(false));
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// A place in a stream: an offset in each of some segments that together cover the key space once, which only the
/// controller can check.
///
/// Its text is that of Pravega's own `StreamCut`, in the URL-safe alphabet of base64 and without padding; both alphabets,
/// padded or not, are read. It names the stream. Two texts of one cut may differ, as it is compressed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamCut {
    stream: ScopedStream,
    offsets: BTreeMap<SegmentId, i64>,
}

/// Why something is no stream cut.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StreamCutError {
    /// The text, or what it holds, is too long.
    #[error("a stream cut has at most {MAX_TEXT_BYTES} characters, and {MAX_INNER_BYTES} bytes once decompressed")]
    TooLong,
    /// The text is not base64.
    #[error("a stream cut is base64")]
    Base64,
    /// The bytes are not compressed text.
    #[error("a stream cut is base64 of text that is compressed with gzip")]
    Gzip,
    /// The inner form has another version, or other parts.
    #[error("a stream cut holds 0:SCOPE/STREAM:NUMBERS:EPOCHS:OFFSETS")]
    Form,
    /// The three lists do not describe segments and their offsets.
    #[error(
        "a stream cut holds as many segment numbers as epochs and offsets, each segment once and no offset below -1"
    )]
    Lists,
}

impl StreamCut {
    /// A cut at these offsets, −1 in a segment that has not begun there.
    ///
    /// # Errors
    /// [`StreamCutError::Lists`] without a segment, or for an offset below −1.
    pub fn new(stream: ScopedStream, offsets: BTreeMap<SegmentId, i64>) -> Result<Self, StreamCutError> {
        let is_valid = |(segment, offset): (&SegmentId, &i64)| *offset >= -1 && segment.as_i64() >= 0;
        if offsets.is_empty() || !offsets.iter().all(is_valid) {
            return Err(StreamCutError::Lists);
        }
        Ok(Self { stream, offsets })
    }

    /// The stream that it is a place in.
    #[must_use]
    pub fn stream(&self) -> &ScopedStream {
        &self.stream
    }

    /// Bytes from the beginning of each segment; −1 in one that has not begun.
    #[must_use]
    pub fn offsets(&self) -> &BTreeMap<SegmentId, i64> {
        &self.offsets
    }

    fn inner(&self) -> String {
        let joined = |value: &dyn Fn(&SegmentId, &i64) -> String| {
            let values: Vec<_> = self.offsets.iter().map(|(segment, offset)| value(segment, offset)).collect();
            values.join(",")
        };
        let numbers = joined(&|segment, _| segment.number().to_string());
        let epochs = joined(&|segment, _| segment.epoch().to_string());
        let offsets = joined(&|_, offset| offset.to_string());
        format!("{VERSION}:{}:{numbers}:{epochs}:{offsets}", self.stream)
    }

    fn from_inner(inner: &str) -> Result<Self, StreamCutError> {
        let mut parts = inner.split(':');
        let parts = [parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next()];
        let [Some(VERSION), Some(stream), Some(numbers), Some(epochs), Some(offsets), None] = parts else {
            return Err(StreamCutError::Form);
        };
        let stream = stream.parse().map_err(|_| StreamCutError::Form)?;
        let (numbers, epochs, offsets) = (list::<u32>(numbers)?, list::<u32>(epochs)?, list::<i64>(offsets)?);
        let count = numbers.len();
        if epochs.len() != count || offsets.len() != count {
            return Err(StreamCutError::Lists);
        }
        let segments = numbers.into_iter().zip(epochs).map(|(number, epoch)| SegmentId::new(number, epoch));
        let offsets: BTreeMap<_, _> = segments.zip(offsets).collect();
        if offsets.len() != count {
            return Err(StreamCutError::Lists);
        }
        Self::new(stream, offsets)
    }
}

fn list<T: FromStr>(text: &str) -> Result<Vec<T>, StreamCutError> {
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let number = |text: &str| text.parse().ok().filter(|_| is_number(text)).ok_or(StreamCutError::Lists);
    text.split(',').map(number).collect()
}

impl fmt::Display for StreamCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(self.inner().as_bytes()).map_err(|_| fmt::Error)?;
        f.write_str(&URL_SAFE.encode(gzip.finish().map_err(|_| fmt::Error)?))
    }
}

impl FromStr for StreamCut {
    type Err = StreamCutError;

    fn from_str(text: &str) -> Result<Self, StreamCutError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(StreamCutError::TooLong);
        }
        let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
        let compressed = engine.decode(text).map_err(|_| StreamCutError::Base64)?;
        let mut inner = Vec::new();
        let inflated = GzDecoder::new(&*compressed).take(MAX_INNER_BYTES + 1).read_to_end(&mut inner);
        if inflated.map_err(|_| StreamCutError::Gzip)? as u64 > MAX_INNER_BYTES {
            return Err(StreamCutError::TooLong);
        }
        Self::from_inner(std::str::from_utf8(&inner).map_err(|_| StreamCutError::Gzip)?)
    }
}

serde_as_text!(StreamCut);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        stream: ScopedStream,
        offsets: BTreeMap<String, i64>,
        text: String,
    }

    /// Made by Pravega's own class: tests/golden/capture/StreamCutVectors.java.
    fn vectors() -> Vec<Vector> {
        let vectors = include_str!("../../tests/golden/stream-cut-vectors.jsonl");
        vectors.lines().map(|line| serde_json::from_str(line).expect("a vector")).collect()
    }

    fn compressed(inner: &[u8]) -> String {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(inner).expect("a vector takes everything");
        STANDARD.encode(gzip.finish().expect("a vector takes everything"))
    }

    fn read(inner: &str) -> Result<StreamCut, StreamCutError> {
        compressed(inner.as_bytes()).parse()
    }

    #[test]
    fn cuts_that_pravega_made_are_read_and_written_again() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 40);
        for Vector { stream, offsets, text } in vectors {
            let id = |id: &str| SegmentId::from_i64(id.parse().expect("a number"));
            let offsets = offsets.iter().map(|(segment, offset)| (id(segment), *offset)).collect();
            let cut = StreamCut::new(stream, offsets).expect("a cut");
            assert_eq!(text.parse(), Ok(cut.clone()));
            assert_eq!(cut.to_string().parse(), Ok(cut));
        }
    }

    /// The inner forms are equal up to the order of the segments.
    #[test]
    fn inner_form_is_pravegas() {
        let cut = read("0:sc/st:5,0,3:2,0,2:1234567,10,-1").expect("a cut");
        assert_eq!(cut.inner(), "0:sc/st:0,3,5:0,2,2:10,-1,1234567");
        let shown: Vec<_> = cut.offsets().iter().map(|(segment, offset)| format!("{segment}={offset}")).collect();
        assert_eq!(shown, ["0.#epoch.0=10", "3.#epoch.2=-1", "5.#epoch.2=1234567"]);
        assert_eq!(cut.stream().to_string(), "sc/st");
    }

    #[test]
    fn text_stands_in_a_url_and_is_read_in_either_alphabet() {
        let long: BTreeMap<_, _> =
            (0..500).map(|number| (SegmentId::new(number, number * 7), i64::from(number) << 40)).collect();
        let cut = StreamCut::new("sc/st".parse().expect("a stream"), long).expect("a cut");
        let text = cut.to_string();
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')), "{text}");
        assert!(text.contains('-') && text.contains('_'), "else this shows nothing");
        let padding = "=".repeat((4 - text.len() % 4) % 4);
        for other in [text.replace('-', "+").replace('_', "/"), text.clone() + &padding, text] {
            assert_eq!(other.parse(), Ok(cut.clone()));
        }
    }

    #[test]
    fn what_is_no_cut_says_why() {
        use StreamCutError::{Base64, Form, Gzip, Lists, TooLong};
        assert_eq!("UNBOUNDED".parse::<StreamCut>(), Err(Base64));
        for (text, why) in [("!", Base64), ("AAAA", Gzip), ("", Gzip), (&"A".repeat(MAX_TEXT_BYTES + 1), TooLong)] {
            assert_eq!(text.parse::<StreamCut>(), Err(why));
        }
        for inner in ["", "0:sc/st:0:0", "1:sc/st:0:0:0", "0:sc:0:0:0", "0:sc/a b:0:0:0", "0:sc/st:0:0:0:0"] {
            assert_eq!(read(inner), Err(Form), "{inner}");
        }
        let lists = [
            "::",
            "0:0:",
            "0,1:0:0",
            "0:0,0:0,0",
            "0,0:0,0:1,2",
            "0:0:-2",
            "-1:0:0",
            "+1:0:0",
            "0:0:1,",
            "4294967296:0:0",
            "0:2147483648:0",
            "0: 0:0",
        ];
        for list in lists {
            assert_eq!(read(&format!("0:sc/st:{list}")), Err(Lists), "{list}");
        }
        assert_eq!(compressed(b"0:sc/st:\xff:0:0").parse::<StreamCut>(), Err(Gzip));
    }

    #[test]
    fn bomb_is_not_inflated() {
        let bomb = compressed(&vec![b'0'; 40 * 1024 * 1024]);
        assert!(bomb.len() < MAX_TEXT_BYTES, "else the length alone is refused");
        assert_eq!(bomb.parse::<StreamCut>(), Err(StreamCutError::TooLong));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = text.parse::<StreamCut>();
            let _ = STANDARD.encode(&bytes).parse::<StreamCut>();
            let _ = compressed(&bytes).parse::<StreamCut>();
        }

        #[test]
        fn every_cut_survives_its_text(offsets in prop::collection::btree_map(0..i64::MAX, -1..i64::MAX, 1..50)) {
            let offsets = offsets.into_iter().map(|(id, offset)| (SegmentId::from_i64(id), offset)).collect();
            let cut = StreamCut::new("sc/st".parse().expect("a stream"), offsets).expect("a cut");
            prop_assert_eq!(cut.to_string().parse(), Ok(cut));
        }
    }
}
