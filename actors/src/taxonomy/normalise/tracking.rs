//! Query parameters that say where a visitor came from, and nothing about whose address it is.

/// Whole names.
const NAMES: [&str; 63] = [
    "__hsfp",
    "__hssc",
    "__hstc",
    "__s",
    "__tn__",
    "_branch_match_id",
    "_bta_c",
    "_bta_tid",
    "_ga",
    "_gl",
    "_hsenc",
    "_hsmi",
    "_ke",
    "_kx",
    "_openstat",
    "ck_subscriber_id",
    "dm_i",
    "ef_id",
    "epik",
    "fb_action_ids",
    "fb_action_types",
    "fb_source",
    "fref",
    "gad",
    "gad_campaignid",
    "gad_source",
    "gbraid",
    "gclsrc",
    "guccounter",
    "guce_referrer",
    "guce_referrer_sig",
    "hsctatracking",
    "igsh",
    "igshid",
    "li_fat_id",
    "mc_cid",
    "mc_eid",
    "mibextid",
    "mkcid",
    "mkevt",
    "mkrid",
    "mkt_tok",
    "ml_subscriber",
    "ml_subscriber_hash",
    "oly_anon_id",
    "oly_enc_id",
    "rdt_cid",
    "ref_src",
    "ref_url",
    "s_cid",
    "s_kwcid",
    "sc_cid",
    "scid",
    "srsltid",
    "utm",
    "vero_conv",
    "vero_id",
    "wbraid",
    "wickedid",
    "wickedsource",
    "wt_mc",
    "wt_zmc",
    "xtor",
];

/// Beginnings of names that no site uses for its own parameters.
const FAMILIES: [&str; 4] = ["__cft__", "hsa_", "utm_", "wt_mc_"];

/// Beginnings of names of campaigns. Others that begin so may say who it is: `pk_user`.
const OF_CAMPAIGNS: [&str; 5] = ["at_", "matomo_", "mtm_", "piwik_", "pk_"];

/// The rest of such a name.
const CAMPAIGN: [&str; 17] = [
    "campaign",
    "channel",
    "cid",
    "content",
    "creation",
    "emailtype",
    "format",
    "group",
    "keyword",
    "kwd",
    "link",
    "medium",
    "network",
    "placement",
    "send_date",
    "source",
    "variant",
];

/// Endings of the ids that networks give to a click: `gclid`, `rb_clickid`.
const OF_CLICKS: [&str; 4] = ["clid", "clickid", "click_id", "clkid"];

/// Returns whether a parameter is one of tracking.
pub(super) fn is_tracking(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default();
    let decoded = name
        .contains('%')
        .then(|| url::form_urlencoded::parse(name.as_bytes()).next())
        .flatten();
    let name = decoded
        .as_ref()
        .map_or(name, |(decoded, _)| decoded)
        .to_ascii_lowercase();
    let of_campaign = OF_CAMPAIGNS.iter().find_map(|prefix| name.strip_prefix(prefix));
    let is_of_click = |end: &&str| name.len() > end.len() && name.ends_with(*end);
    FAMILIES.iter().any(|family| name.starts_with(family))
        || of_campaign.is_some_and(|rest| CAMPAIGN.contains(&rest))
        || NAMES.contains(&&*name)
        || OF_CLICKS.iter().any(is_of_click)
}
