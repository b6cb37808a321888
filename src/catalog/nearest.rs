//! "Did you mean": the known word closest to a mistyped one.

/// Longest word that is looked up; nobody mistypes a longer one by a letter or two.
const LONGEST: usize = 64;

/// The word of `among` that `word` is most likely a misspelling of; none when nothing is close.
///
/// Letter case does not count. Close means: one edit (insert, delete, change, swap of neighbours) for every
/// three letters begun, so `htpp` finds `http` and `webmail` finds nothing.
pub fn nearest<'a>(word: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let word = word.to_lowercase();
    let allowed = word.chars().count().div_ceil(3).min(3);
    among
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= 4 * allowed)
        .map(|candidate| (strsim::osa_distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant_and_nothing_else() {
        let slugs = ["ssh", "http", "https", "mysql", "redis"];
        for (word, meant) in [
            ("htpp", Some("http")),
            ("SSH", Some("ssh")),
            ("shs", Some("ssh")),
            ("mysq", Some("mysql")),
            ("webmail", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, slugs.into_iter()), meant, "{word}");
        }
        assert_eq!(nearest(&"http".repeat(1000), slugs.into_iter()), None);
    }
}
