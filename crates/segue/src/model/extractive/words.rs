//! Words of a text: where they stand, how they compare, which of them carry no meaning of their own.
//!
//! Scripts without spaces are cut into short runs: a run of up to four ideographs is one word, a longer one gives
//! every pair of neighbours, so that repeated terms are still found. Nothing here knows about sentences or meaning.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// One word of a text; `start` and `end` are byte offsets at character boundaries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) start: usize,
    pub(super) end: usize,
    /// The number of its stem in the [`Stems`] it was read into.
    pub(super) stem: u32,
    /// A word of grammar, such as `the`, or a single mark.
    pub(super) stop: bool,
}

/// The distinct stems of a text, numbered in order of first occurrence, with how often each occurs.
#[derive(Debug, Default)]
pub(super) struct Stems {
    ids: HashMap<String, u32>,
    counts: Vec<u32>,
}

impl Stems {
    /// How often words with the stem of `word` occur.
    pub(super) fn count_of(&self, word: &str) -> u32 {
        self.id_of(word).map_or(0, |id| self.count(id))
    }

    /// The number of the stem of `word`, if the text has it.
    pub(super) fn id_of(&self, word: &str) -> Option<u32> {
        self.ids.get(&stem(word)).copied()
    }

    /// How often the stem numbered `id` occurs.
    pub(super) fn count(&self, id: u32) -> u32 {
        usize::try_from(id)
            .ok()
            .and_then(|at| self.counts.get(at))
            .copied()
            .unwrap_or(0)
    }

    /// How many distinct stems there are.
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    fn add(&mut self, word: &str) -> u32 {
        let next = u32::try_from(self.counts.len()).unwrap_or(u32::MAX);
        let id = *self.ids.entry(stem(word)).or_insert(next);
        match usize::try_from(id).ok().and_then(|at| self.counts.get_mut(at)) {
            Some(count) => *count = count.saturating_add(1),
            None => self.counts.push(1),
        }
        id
    }
}

/// Reads the words of `text[start..end]` in order, adding their stems to `stems`.
pub(super) fn read(text: &str, start: usize, end: usize, stems: &mut Stems, into: &mut Vec<Word>) {
    let slice = &text[start..end];
    let mut push = |from: usize, to: usize| {
        let word = &slice[from..to];
        let stem = stems.add(word);
        into.push(Word {
            start: start + from,
            end: start + to,
            stem,
            stop: is_stop(word),
        });
    };
    let mut chars = slice.char_indices().peekable();
    while let Some((from, first)) = chars.next() {
        if !is_word_char(first) {
            continue;
        }
        let run = Run::of(first);
        let mut to = from + first.len_utf8();
        let mut last = first;
        while let Some(&(at, next)) = chars.peek() {
            let joins = match run {
                Run::Spaced => {
                    (is_word_char(next) && Run::of(next) == Run::Spaced)
                        || (joins_words(last, next)
                            && slice[at + next.len_utf8()..]
                                .chars()
                                .next()
                                .is_some_and(|c| Run::of(c) == Run::Spaced && is_word_char(c)))
                }
                other => is_word_char(next) && Run::of(next) == other,
            };
            if !joins {
                break;
            }
            last = next;
            to = at + next.len_utf8();
            chars.next();
        }
        if run == Run::Ideographs && slice[from..to].chars().nth(4).is_some() {
            let bounds: Vec<usize> = slice[from..to]
                .char_indices()
                .map(|(at, _)| from + at)
                .chain([to])
                .collect();
            for pair in bounds.windows(3) {
                push(pair[0], pair[2]);
            }
        } else {
            push(from, to);
        }
    }
}

/// The words of a short text such as a property name, split at punctuation, underscores and capitals: `wordCount` is two.
pub(super) fn of_name(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in name.chars() {
        let splits = !c.is_alphanumeric() || (c.is_uppercase() && after_lower);
        if splits && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        after_lower = c.is_lowercase() || c.is_numeric();
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The form by which words are compared: lower case, common endings removed, at most 48 characters.
pub(super) fn stem(word: &str) -> String {
    let mut form: String = word.chars().take(48).flat_map(char::to_lowercase).collect();
    for ending in ["'s", "’s"] {
        if form.ends_with(ending) {
            form.truncate(form.len() - ending.len());
        }
    }
    if !form.chars().all(|c| c.is_alphabetic() && c < '\u{250}') {
        return form;
    }
    if form.len() > 4 && form.ends_with("ies") {
        form.truncate(form.len() - 3);
        form.push('y');
    } else {
        for (ending, keep) in [
            ("ing", 4),
            ("ed", 4),
            ("ly", 4),
            ("en", 4),
            ("es", 4),
            ("s", 3),
            ("n", 5),
        ] {
            let rest = form.len().saturating_sub(ending.len());
            if form.ends_with(ending) && !form.ends_with("ss") && rest >= keep {
                form.truncate(rest);
                break;
            }
        }
    }
    if form.len() > 4 && form.ends_with('e') {
        form.pop();
    }
    form
}

/// Whether `word` is a word of grammar in one of the languages known here, a single letter or a single kana run.
pub(super) fn is_stop(word: &str) -> bool {
    let mut chars = word.chars();
    match (chars.next(), chars.next()) {
        (Some(only), None) if !only.is_numeric() && Run::of(only) != Run::Ideographs => return true,
        (Some(first), _) if Run::of(first) == Run::Hiragana => return true,
        _ => {}
    }
    // The longest word of the lists has 11 letters; longer ones need no look-up.
    word.len() <= 24 && STOP.contains(word.to_lowercase().as_str())
}

/// The code of the language whose words of grammar are most frequent in `text`, if any is.
pub(super) fn language(text: &str) -> Option<&'static str> {
    let mut best: Option<(&'static str, usize)> = None;
    let words: Vec<String> = text
        .split_whitespace()
        .take(2000)
        .map(|word| word.trim_matches(|c: char| !c.is_alphabetic()).to_lowercase())
        .collect();
    for (code, list) in GRAMMAR {
        let known: HashSet<&str> = list.split_whitespace().collect();
        let hits = words.iter().filter(|word| known.contains(word.as_str())).count();
        if hits > best.map_or(0, |(_, most)| most) {
            best = Some((code, hits));
        }
    }
    best.map(|(code, _)| code).or_else(|| script_language(text))
}

fn script_language(text: &str) -> Option<&'static str> {
    let letters: Vec<char> = text.chars().filter(|c| c.is_alphabetic()).take(400).collect();
    let any = |low: char, high: char| letters.iter().any(|c| (low..=high).contains(c));
    if any('\u{3040}', '\u{30ff}') {
        Some("ja")
    } else if any('\u{4e00}', '\u{9fff}') {
        Some("zh")
    } else if any('\u{ac00}', '\u{d7af}') {
        Some("ko")
    } else if any('\u{600}', '\u{6ff}') {
        Some("ar")
    } else if any('\u{400}', '\u{4ff}') {
        Some("ru")
    } else {
        None
    }
}

/// How the letters of a script are put together into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Spaced,
    Ideographs,
    Hiragana,
    Katakana,
}

impl Run {
    fn of(c: char) -> Self {
        match c {
            '\u{3040}'..='\u{309f}' => Self::Hiragana,
            '\u{30a0}'..='\u{30ff}' => Self::Katakana,
            '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' => Self::Ideographs,
            _ => Self::Spaced,
        }
    }
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || is_mark(c)
}

/// Combining marks are no letters for the standard library, yet words of many scripts contain them.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{64b}'..='\u{65f}' | '\u{93a}'..='\u{94f}' | '\u{e31}' | '\u{e34}'..='\u{e4e}')
}

fn joins_words(before: char, c: char) -> bool {
    match c {
        '\'' | '’' | '-' | '\u{2010}' | '\u{2011}' => before != '-',
        '.' | ',' => before.is_numeric(),
        _ => false,
    }
}

static STOP: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    GRAMMAR
        .iter()
        .map(|(_, list)| *list)
        .chain([PALE])
        .flat_map(str::split_whitespace)
        .collect()
});

/// Words of grammar by language code.
const GRAMMAR: [(&str, &str); 6] = [
    (
        "en",
        "the a an and or but if of to in on at by for from with without within into onto over under about after before between \
         during through against among is are was were be been being am has have had do does did will would can could shall \
         should may might must not no nor it its it's he she they them their his her him we us our you your i me my this \
         that these those there here which who whom whose what when where why how than then so as such also only just \
         very more most much many some any each every all both few other another same own too up down out off again \
         once while because until since per via however therefore already still yet ever never let don't doesn't isn't",
    ),
    (
        "de",
        "der die das den dem des ein eine einer eines einem einen und oder aber wenn dass daß weil ob als wie zu zum zur im in \
         am an auf aus bei beim mit nach seit von vom vor für gegen ohne um über unter durch zwischen ist sind war waren wird \
         werden wurde wurden hat haben hatte hatten kann können muss müssen soll sollen sollte will wollen nicht kein keine \
         keinen er sie es wir ihr ich du sich sein seine seinen seiner ihre ihren ihrem ihrer dieser diese dieses diesem diesen \
         auch noch nur schon sehr mehr so dann da hier dort bis sowie sondern doch man was wer wo etwa jeder jede jedes alle",
    ),
    (
        "fr",
        "le la les l un une des du de d et ou mais si que qui quoi dont où à au aux en dans sur sous par pour avec sans entre \
         vers chez est sont était étaient sera seront être a ont avait avoir ne pas plus il elle ils elles on nous vous je tu se \
         son sa ses leur leurs ce cet cette ces mon ma mes notre votre y très aussi comme puis donc car ni tout tous toute",
    ),
    (
        "es",
        "el la los las un una unos unas y o u pero si que quien de del a al en con sin por para sobre entre desde hasta es son \
         era eran será ser está están ha han había no ni se su sus lo le les este esta estos estas ese esa eso mi tu muy más \
         también como cuando donde ya hay fue fueron",
    ),
    (
        "it",
        "il lo la gli le un una uno e o ma se che chi di del della dei delle da dal in nel nella con senza per su sul tra fra è \
         sono era erano sarà essere ha hanno non si suo sua suoi questo questa questi anche come più molto già ancora",
    ),
    (
        "pt",
        "o a os as um uma uns umas e ou mas se que quem de do da dos das em no na nos nas com sem por para sobre entre é são era \
         eram será ser está estão tem não seu sua seus este esta isso muito mais também como já foi foram",
    ),
];

/// Words that seldom say what a text is about.
const PALE: &str = "said says say called asked told according told include includes including made make makes used use uses using \
     get gets got give gives given take takes took bring brings brought become becomes come comes came go goes went new one \
     two three four five six seven eight nine ten first second last next well good like etc ie eg announced announces rose fell grew grow grows increase decrease declined suggests suggest \
     indicate indicates showed shows currently later today yesterday percent year years month months week weeks day days mr mrs ms dr";

#[cfg(test)]
mod tests {
    use super::{Stems, language, of_name, read, stem};

    fn words(text: &str) -> Vec<&str> {
        let mut words = Vec::new();
        read(text, 0, text.len(), &mut Stems::default(), &mut words);
        words.iter().map(|word| &text[word.start..word.end]).collect()
    }

    #[test]
    fn decimals_hyphens_and_apostrophes_stay_in_the_word() {
        assert_eq!(
            words("It's 12.4 million, W-100. End-"),
            ["It's", "12.4", "million", "W-100", "End"]
        );
    }

    #[test]
    fn scripts_without_spaces_give_short_words() {
        assert_eq!(words("東京タワーの高さ"), ["東京", "タワー", "の", "高", "さ"]);
        assert_eq!(words("人工智能研究"), ["人工", "工智", "智能", "能研", "研究"]);
    }

    #[test]
    fn names_are_split_at_underscores_and_capitals() {
        assert_eq!(of_name("wordCount"), ["word", "count"]);
        assert_eq!(of_name("social_media_posts"), ["social", "media", "posts"]);
    }

    #[test]
    fn forms_of_a_word_share_a_stem() {
        assert_eq!(stem("Companies"), stem("company"));
        assert_eq!(stem("prices"), stem("pricing"));
        assert_eq!(stem("Kunden"), stem("Kunde"));
        assert_ne!(stem("business"), stem("busy"));
    }

    #[test]
    fn the_language_is_that_of_the_words_of_grammar() {
        assert_eq!(language("Der Hund und die Katze sind im Haus."), Some("de"));
        assert_eq!(language("The dog is in the house."), Some("en"));
        assert_eq!(language("東京タワーの高さ"), Some("ja"));
        assert_eq!(language("xyzzy"), None);
    }
}
