//! What a property asks for, read from its name and description.

use super::words::{of_name, stem};

/// Something that can be taken from any text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Names,
    People,
    Organisations,
    Places,
    Terms,
    Sentences,
    Questions,
    Observations,
    Title,
    Summary,
    Report,
    Mood,
    Amounts,
    Dates,
    Emails,
    Links,
    Readability,
    Complexity,
    Words,
    SentenceCount,
    Characters,
    Paragraphs,
    ReadingTime,
    Confidence,
    Language,
    Topic,
}

/// What `name` and, failing that, `description` ask for; `request` decides where the name says nothing, such as `result`.
pub(super) fn wanted(name: &str, description: &str, request: &[&str]) -> Option<Wanted> {
    let words = of_name(name);
    let generic = words.iter().all(|word| GENERIC.contains(&word.as_str()));
    in_words(&words)
        .or_else(|| in_words(&of_name(description)))
        .or_else(|| {
            if generic {
                request.iter().find_map(|text| in_words(&of_name(text)))
            } else {
                None
            }
        })
}

fn in_words(words: &[String]) -> Option<Wanted> {
    let stems: Vec<String> = words.iter().take(60).map(|word| stem(word)).collect();
    TABLE
        .iter()
        .find(|(phrase, _)| contains(&stems, phrase))
        .map(|(_, wanted)| *wanted)
}

fn contains(stems: &[String], phrase: &str) -> bool {
    let wanted: Vec<String> = phrase.split(' ').map(stem).collect();
    stems.windows(wanted.len()).any(|part| part == wanted)
}

/// Names under which anything may be asked for.
const GENERIC: [&str; 16] = [
    "result", "results", "output", "answer", "answers", "items", "item", "list", "value", "values", "data",
    "response", "reply", "found", "all", "content",
];

/// In order: what is more particular comes first.
const TABLE: [(&str, Wanted); 100] = [
    ("word count", Wanted::Words),
    ("words count", Wanted::Words),
    ("number of words", Wanted::Words),
    ("sentence count", Wanted::SentenceCount),
    ("number of sentences", Wanted::SentenceCount),
    ("character count", Wanted::Characters),
    ("char count", Wanted::Characters),
    ("paragraph count", Wanted::Paragraphs),
    ("reading time", Wanted::ReadingTime),
    ("read time", Wanted::ReadingTime),
    ("readability", Wanted::Readability),
    ("reading ease", Wanted::Readability),
    ("complexity", Wanted::Complexity),
    ("difficulty", Wanted::Complexity),
    ("confidence", Wanted::Confidence),
    ("relevance", Wanted::Confidence),
    ("certainty", Wanted::Confidence),
    ("probability", Wanted::Confidence),
    ("sentiment", Wanted::Mood),
    ("mood", Wanted::Mood),
    ("polarity", Wanted::Mood),
    ("tone", Wanted::Mood),
    ("emotion", Wanted::Mood),
    ("suggestion", Wanted::Observations),
    ("suggestions", Wanted::Observations),
    ("improvement", Wanted::Observations),
    ("improvements", Wanted::Observations),
    ("recommendation", Wanted::Observations),
    ("observation", Wanted::Observations),
    ("issues", Wanted::Observations),
    ("feedback", Wanted::Observations),
    ("advice", Wanted::Observations),
    ("language", Wanted::Language),
    ("keyword", Wanted::Terms),
    ("key term", Wanted::Terms),
    ("key phrase", Wanted::Terms),
    ("key word", Wanted::Terms),
    ("tag", Wanted::Terms),
    ("themes", Wanted::Terms),
    ("concepts", Wanted::Terms),
    ("terms", Wanted::Terms),
    ("subjects", Wanted::Terms),
    ("hashtags", Wanted::Terms),
    ("ingredients", Wanted::Amounts),
    ("email", Wanted::Emails),
    ("mail", Wanted::Emails),
    ("url", Wanted::Links),
    ("link", Wanted::Links),
    ("website", Wanted::Links),
    ("source", Wanted::Links),
    ("date", Wanted::Dates),
    ("day", Wanted::Dates),
    ("deadline", Wanted::Dates),
    ("amount", Wanted::Amounts),
    ("figures", Wanted::Amounts),
    ("quantity", Wanted::Amounts),
    ("quantities", Wanted::Amounts),
    ("number", Wanted::Amounts),
    ("price", Wanted::Amounts),
    ("statistics", Wanted::Amounts),
    ("metrics", Wanted::Amounts),
    ("money", Wanted::Amounts),
    ("people", Wanted::People),
    ("person", Wanted::People),
    ("author", Wanted::People),
    ("organization", Wanted::Organisations),
    ("organisation", Wanted::Organisations),
    ("company", Wanted::Organisations),
    ("place", Wanted::Places),
    ("location", Wanted::Places),
    ("city", Wanted::Places),
    ("country", Wanted::Places),
    ("entity", Wanted::Names),
    ("entities", Wanted::Names),
    ("brand", Wanted::Names),
    ("question", Wanted::Questions),
    ("followup", Wanted::Questions),
    ("title", Wanted::Title),
    ("headline", Wanted::Title),
    ("heading", Wanted::Title),
    ("sentence", Wanted::Sentences),
    ("quote", Wanted::Sentences),
    ("highlight", Wanted::Sentences),
    ("key point", Wanted::Sentences),
    ("points", Wanted::Sentences),
    ("facts", Wanted::Sentences),
    ("claims", Wanted::Sentences),
    ("posts", Wanted::Sentences),
    ("findings", Wanted::Sentences),
    ("bullets", Wanted::Sentences),
    ("evidence", Wanted::Sentences),
    ("summary", Wanted::Summary),
    ("summarize", Wanted::Summary),
    ("abstract", Wanted::Summary),
    ("description", Wanted::Summary),
    ("report", Wanted::Report),
    ("text", Wanted::Summary),
    ("names", Wanted::Names),
    ("topic", Wanted::Topic),
    ("category", Wanted::Topic),
];

#[cfg(test)]
mod tests {
    use super::{Wanted, wanted};

    #[test]
    fn the_name_comes_before_the_description_and_the_request() {
        assert_eq!(wanted("key_terms", "the names", &[]), Some(Wanted::Terms));
        assert_eq!(wanted("list", "the people in it", &[]), Some(Wanted::People));
        assert_eq!(
            wanted("", "", &["Extract key entities from text."]),
            Some(Wanted::Names)
        );
        assert_eq!(wanted("colour", "", &["Extract key entities from text."]), None);
    }

    #[test]
    fn forms_of_a_word_ask_for_the_same() {
        assert_eq!(wanted("wordCount", "", &[]), Some(Wanted::Words));
        assert_eq!(wanted("companies", "", &[]), Some(Wanted::Organisations));
        assert_eq!(wanted("readability_score", "", &[]), Some(Wanted::Readability));
    }
}
