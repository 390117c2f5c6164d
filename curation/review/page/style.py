"""The style sheet of a record's page, for Argilla's light and dark theme: colours are tints of whatever lies below."""

_TINTS = {
    "understanding": "14,140,160",
    "assessment": "168,72,190",
    "reasoning": "62,142,52",
    "answer": "50,104,220",
    "other": "190,128,0",
}

STYLE = "".join(
    [
        ".cu{line-height:1.6;overflow-wrap:anywhere}",
        ".cu .cu-head{margin-bottom:10px}",
        ".cu .cu-branch{display:inline-block;border:2px solid currentColor;border-radius:6px;padding:1px 8px;"
        "margin-right:6px;font-weight:700;letter-spacing:.03em}",
        ".cu .cu-harmful{background:rgba(214,60,40,.18)}",
        ".cu .cu-benign{background:rgba(62,142,52,.18)}",
        ".cu .cu-note{border:1px dashed currentColor;border-radius:6px;padding:6px 10px;margin:8px 0;"
        "background:rgba(230,160,0,.14)}",
        ".cu ul{margin:4px 0 0;padding-left:20px}",
        ".cu .cu-stage{border-left:4px solid;border-radius:4px;padding:6px 12px 8px;margin:10px 0}",
        ".cu .cu-name{margin-bottom:4px}",
        ".cu .cu-name small,.cu .cu-legend{font-size:.85em;opacity:.85}",
        *(f".cu .cu-{name}{{border-color:rgb({tint});background:rgba({tint},.10)}}" for name, tint in _TINTS.items()),
        ".cu .cu-written{text-decoration:underline 2px;text-underline-offset:4px}",
        ".cu .cu-drawn{text-decoration:underline dotted 2px;text-underline-offset:4px}",
        ".cu .cu-person{text-decoration:underline double;text-underline-offset:4px}",
        ".cu ins{background:rgba(62,142,52,.28);text-decoration:underline;border-radius:2px}",
        ".cu del{background:rgba(214,60,40,.24);text-decoration:line-through;border-radius:2px}",
        ".cu details{margin:8px 0;border:1px solid rgba(128,128,128,.5);border-radius:6px;padding:6px 10px}",
        ".cu summary{cursor:pointer;font-weight:600}",
        ".cu summary:focus-visible{outline:2px solid currentColor}",
        ".cu .cu-beside{display:flex;flex-wrap:wrap;gap:12px}",
        ".cu .cu-candidate{flex:1 1 260px;min-width:0}",
    ]
)
