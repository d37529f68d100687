//! Pages of lists.

/// As many entries as Pravega puts on a page.
pub(crate) const PAGE: usize = 1000;

/// Some entries, and the token that asks for those after them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) names: Vec<String>,
    pub(crate) token: String,
}

/// The names that follow the one that `token` names, at most [`PAGE`] of a sorted list. Callers ask until a page is
/// empty, so the token of an empty page is the one it was asked with.
pub(crate) fn page<'a>(sorted: impl Iterator<Item = &'a str>, token: &str) -> Page {
    let names: Vec<String> = sorted.filter(|name| *name > token).take(PAGE).map(str::to_owned).collect();
    let token = names.last().map_or(token, String::as_str).to_owned();
    Page { names, token }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_until_one_is_empty() {
        let names: Vec<String> = (0..2500).map(|n| format!("{n:05}")).collect();
        let mut token = String::new();
        let mut seen = Vec::new();
        let mut sizes = Vec::new();
        loop {
            let next = page(names.iter().map(String::as_str), &token);
            sizes.push(next.names.len());
            if next.names.is_empty() {
                assert_eq!(next.token, token);
                break;
            }
            token = next.token;
            seen.extend(next.names);
        }
        assert_eq!((seen, sizes), (names, vec![1000, 1000, 500, 0]));
    }

    #[test]
    fn a_page_goes_on_where_it_was_although_its_last_name_is_gone() {
        assert_eq!(page(["a", "c", "d"].into_iter(), "b").names, ["c", "d"]);
    }
}
