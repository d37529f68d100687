//! Which of the offered media types a caller prefers. Source: RFC 9110, section 12.5.1.

use http::HeaderMap;
use http::header::ACCEPT;

/// The offered type with the highest quality; of equals, the one that the header names most exactly, then the one
/// that is offered first. `None` if the header accepts none of them.
pub(crate) fn preferred(headers: &HeaderMap, offered: &[&'static str]) -> Option<&'static str> {
    let ranges: Vec<Range> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(Range::parse)
        .collect();
    if ranges.is_empty() {
        return offered.first().copied();
    }
    let weigh = |media_type: &'static str| {
        let best = ranges.iter().filter_map(|range| Some((range.exactness(media_type)?, range.quality))).max()?;
        (best.1 > 0).then_some((media_type, best.1, best.0))
    };
    let weighed = offered.iter().filter_map(|media_type| weigh(media_type));
    // `max_by_key` keeps the last of equals; the first is the default.
    weighed.rev().max_by_key(|(_, quality, exactness)| (*quality, *exactness)).map(|(media_type, ..)| media_type)
}

struct Range {
    media_type: String,
    /// Thousandths.
    quality: u32,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media_type = parts.next().filter(|media_type| !media_type.is_empty())?.to_ascii_lowercase();
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let quality: f32 = quality.unwrap_or("1").parse().unwrap_or(1.0);
        Some(Self { media_type, quality: (quality.clamp(0.0, 1.0) * 1000.0) as u32 })
    }

    fn exactness(&self, media_type: &str) -> Option<u8> {
        if self.media_type == media_type {
            Some(2)
        } else if self.media_type == "*/*" {
            Some(0)
        } else {
            let prefix = self.media_type.strip_suffix('*')?;
            media_type.starts_with(prefix).then_some(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const OFFERED: &[&str] = &["application/json", "application/x-ndjson", "application/octet-stream"];

    fn choose(accept: &'static str) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        preferred(&headers, OFFERED)
    }

    #[test]
    fn first_offer_is_the_default() {
        assert_eq!(preferred(&HeaderMap::new(), OFFERED), Some("application/json"));
        assert_eq!(choose("*/*"), Some("application/json"));
        assert_eq!(choose("application/*"), Some("application/json"));
    }

    #[test]
    fn quality_decides_and_then_the_more_exact_name() {
        assert_eq!(choose("application/json;q=0.1, application/x-ndjson"), Some("application/x-ndjson"));
        assert_eq!(choose("application/octet-stream, */*"), Some("application/octet-stream"));
        assert_eq!(choose("*/*, application/json;q=0"), Some("application/x-ndjson"));
    }

    #[test]
    fn nothing_acceptable_is_none() {
        assert_eq!(choose("text/html"), None);
        assert_eq!(choose("application/json;q=0"), None);
    }
}
