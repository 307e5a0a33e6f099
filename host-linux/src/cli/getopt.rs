//! Options as the original's commands read them (getopt with permutation): single letters, in clusters.

/// The words of a command line, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    /// The options in their order, with their values.
    pub(super) options: Vec<(char, Option<String>)>,
    /// Everything else in its order.
    pub(super) parameters: Vec<String>,
}

impl Parsed {
    pub(super) fn has(&self, option: char) -> bool {
        self.options.iter().any(|(found, _)| *found == option)
    }

    pub(super) fn count(&self, option: char) -> usize {
        self.options.iter().filter(|(found, _)| *found == option).count()
    }

    /// The value of the last such option.
    pub(super) fn value(&self, option: char) -> Option<&str> {
        self.options.iter().rev().find(|(found, _)| *found == option)?.1.as_deref()
    }
}

/// Why a command line cannot be understood, in getopt's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum OptionError {
    #[error("invalid option -- '{0}'")]
    Invalid(char),
    #[error("option requires an argument -- '{0}'")]
    ValueMissing(char),
}

/// Sorts words by `known`: letters, each with a colon behind it if it takes a value.
pub(super) fn parse(words: &[String], known: &str) -> Result<Parsed, OptionError> {
    let mut parsed = Parsed::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            parsed.parameters.extend(words.by_ref().cloned());
        } else if let Some(cluster) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            let mut letters = cluster.chars();
            while let Some(letter) = letters.next() {
                let place = known.find(letter).filter(|_| letter != ':');
                let Some(place) = place else { return Err(OptionError::Invalid(letter)) };
                if !known[place + letter.len_utf8()..].starts_with(':') {
                    parsed.options.push((letter, None));
                    continue;
                }
                let rest: String = letters.by_ref().collect();
                let value = if rest.is_empty() { words.next().cloned() } else { Some(rest) };
                let value = value.ok_or(OptionError::ValueMissing(letter))?;
                parsed.options.push((letter, Some(value)));
            }
        } else {
            parsed.parameters.push(word.clone());
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_come_in_clusters_with_values_and_anywhere() {
        let parsed = parse(&words("wnb -mv -p deadtime eth0 -pkeepalive -- -m"), "mvp:").unwrap();
        assert!(parsed.has('m') && parsed.has('v'));
        assert_eq!(parsed.value('p'), Some("keepalive"));
        assert_eq!(parsed.parameters, ["wnb", "eth0", "-m"]);
        assert_eq!(parse(&words("-ddd -"), "d").unwrap().count('d'), 3);
    }

    #[test]
    fn errors_are_getopts() {
        let error = |line: &str| parse(&words(line), "mp:").unwrap_err().to_string();
        assert_eq!(error("-mx"), "invalid option -- 'x'");
        assert_eq!(error("--help"), "invalid option -- '-'");
        assert_eq!(error("-:"), "invalid option -- ':'");
        assert_eq!(error("-mp"), "option requires an argument -- 'p'");
    }

    proptest! {
        #[test]
        fn no_word_is_lost_or_panics(words in prop::collection::vec("[a-zé]{1,5}", 0..6)) {
            prop_assert_eq!(parse(&words, "mvp:").unwrap().parameters, words);
        }

        #[test]
        fn hostile_words_do_not_panic(words in prop::collection::vec("\\PC{0,6}", 0..6)) {
            let _ = parse(&words, "mvp:é:");
        }
    }
}
