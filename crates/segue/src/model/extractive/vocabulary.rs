//! The words by which topics, moods and urgency are recognised. Small on purpose: every label can be traced to words here.

/// A topic: the words a label may use for it, and the words of a text that speak for it.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) labels: &'static str,
    pub(super) words: &'static str,
}

/// The topics known here.
pub(super) const TOPICS: [Topic; 14] = [
    Topic {
        labels: "business economy economic commerce commercial company corporate industry market trade",
        words: "company business market share shareholder capital invest investor investment revenue sales customer supplier price profit \
                loss growth analyst chief executive ceo merger acquisition startup retail brand hire employee competitor rival euro dollar \
                contract firma unternehmen markt umsatz gewinn kunde entreprise marché client empresa mercado order invoice",
    },
    Topic {
        labels: "technology tech technical software computing computer it engineering digital",
        words: "software computer data algorithm app code program developer server cloud network internet device chip processor battery \
                phone mobile database model artificial intelligence machine learning encryption browser api robot sensor technologie \
                daten rechner logiciel ordinateur bug update version interface hardware",
    },
    Topic {
        labels: "science scientific research academic study biology physics chemistry",
        words: "study research experiment hypothesis sample measure laboratory scientist species cell protein gene molecule particle \
                quantum galaxy planet climate theory observation result method significant correlation evidence participant journal \
                physics chemistry biology forscher studie étude recherche temperature ecosystem",
    },
    Topic {
        labels: "politics political policy government governance election",
        words: "government minister president parliament election vote voter party senate congress policy campaign reform opposition \
                coalition law mayor diplomat sanction treaty regierung wahl partei bundestag gouvernement élection ministre chancellor",
    },
    Topic {
        labels: "sport sports football athletics game",
        words: "match team player goal score coach league season championship tournament win defeat football tennis basketball race \
                olympic stadium athlete medal referee spiel mannschaft trainer équipe équipo but marathon",
    },
    Topic {
        labels: "health medical medicine healthcare wellness",
        words: "health patient doctor hospital disease treatment therapy vaccine drug symptom clinical medicine nurse surgery diet blood \
                infection virus cancer arzt krankheit gesundheit santé médecin pain diagnosis dose",
    },
    Topic {
        labels: "finance financial banking money investment accounting billing payment",
        words: "bank interest loan credit bond stock share fund investor investment capital dividend inflation currency payment invoice \
                tax budget money debt mortgage insurance euro dollar percent rate billing refund charge zinsen kredit banque account",
    },
    Topic {
        labels: "law legal justice crime court compliance",
        words: "court judge lawyer law legal lawsuit contract clause liability plaintiff defendant verdict appeal statute regulation \
                compliance attorney crime police prison evidence gericht gesetz richter tribunal loi juge",
    },
    Topic {
        labels: "travel tourism holiday trip hospitality",
        words: "travel trip flight hotel airport tourist journey train beach island museum passport visa luggage booking destination \
                holiday vacation reise flug zug voyage hôtel plage viaje guide coast",
    },
    Topic {
        labels: "food cooking recipe cuisine restaurant kitchen",
        words: "recipe cook bake oven flour butter sugar salt pepper onion garlic oil egg milk bread sauce pan stir serve dish dinner \
                tablespoon teaspoon dough cheese tomato restaurant rezept kochen recette cuisine farine beurre",
    },
    Topic {
        labels: "education school learning teaching training",
        words: "school student teacher university lesson exam course class curriculum homework pupil degree education campus lecture \
                schule lehrer école professeur élève tutor grade",
    },
    Topic {
        labels: "environment nature climate sustainability ecology weather",
        words: "climate forest carbon emission pollution river ocean species biodiversity sustainable renewable solar wind recycling \
                drought flood storm rain snow weather conservation umwelt wald klima forêt environnement",
    },
    Topic {
        labels: "culture arts art entertainment music film literature",
        words: "music film movie book novel author artist museum painting theatre concert album song actor festival exhibition poem \
                gallery musik kunst buch musique livre peinture dance",
    },
    Topic {
        labels: "support complaint service help issue problem bug incident",
        words: "error problem broken fail crash help support complaint refund ticket issue bug wrong cannot unable repair replace \
                complain disappointed fehler problem kaputt erreur panne incident outage",
    },
];

/// Words that praise.
pub(super) const POSITIVE: &str = "good great excellent best better happy love like enjoy pleased wonderful fantastic amazing improve \
     improvement success successful win benefit gain rise rose grew grow strong free easy fast helpful reliable recommend perfect \
     delicious beautiful thank thanks glad promise progress reward safe gut großartig toll schön besser beste erfolg bon bien \
     excellent heureux merveilleux bueno mejor excelente feliz";

/// Words that complain.
pub(super) const NEGATIVE: &str = "bad worse worst terrible awful poor hate angry sad disappointed disappointing disappointment fail \
     failure lose loss decline fall fell drop weak slow difficult problem broken error crash useless expensive late overdue delay \
     complain complaint danger risk wrong unhappy damage crisis fear horrible rude dirty schlecht schlimm furchtbar leider problem \
     kaputt verlust mauvais pire triste terrible horrible malo peor problema";

/// Words that turn the word after them around.
pub(super) const NEGATION: [&str; 17] = [
    "not", "no", "never", "without", "nicht", "kein", "keine", "ne", "pas", "jamais", "sin", "don't",
    "doesn't", "didn't", "isn't", "wasn't", "cannot",
];

/// Words that ask for haste.
pub(super) const URGENT: &str = "urgent urgently immediately immediate asap emergency critical deadline now today outage down severe \
     serious danger security breach broken crash lost overdue blocked dringend sofort urgence immédiatement urgente";

/// Words of requests: they say what to do with a text and nothing about its contents.
pub(super) const REQUEST: &str = "extract classify summarize summarise summary list find get give name identify copy answer write return \
     analyze analyse describe detect label rate score choose select pick read restate reply text document sentence sentences entity \
     entities key keyword keywords topic topics content following based about please concisely short briefly add nothing request \
     category class define plan craft input output json field value words word one line create potential quality suggestion suggestions \
     quote quotes highlight highlights title tag tags statement passage article reader fasse zusammen nenne résume extrais";
