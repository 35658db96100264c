"""The page's colours by name; pictures are drawn in the light ones and follow the page into the dark."""

# Of text each has a contrast of 4.5 on the page and on a card; m0 to m7 are the models of a picture.
LIGHT = {
    "page": "#f7f7f5", "card": "#ffffff", "ink": "#15181e", "soft": "#565d69", "line": "#e3e4e1", "track": "#e9eae7",
    "accent": "#0a5bb5", "tint": "#e6f0fb", "wrong": "#a33c05", "wrong-tint": "#fcebe1", "reference": "#6a707b",
    "chance": "#8a6d00", "m0": "#0a5bb5", "m1": "#b3440b", "m2": "#0b7a4b", "m3": "#8a3ab0", "m4": "#9a6a00",
    "m5": "#b0215e", "m6": "#0c7285", "m7": "#5b6270",
}  # fmt: skip
DARK = {
    "page": "#0e1116", "card": "#161a21", "ink": "#e9ecf1", "soft": "#a3abb8", "line": "#2a303a", "track": "#2a303a",
    "accent": "#79b8ff", "tint": "#15293f", "wrong": "#ffa071", "wrong-tint": "#3a2116", "reference": "#98a0ad",
    "chance": "#e0be4b", "m0": "#79b8ff", "m1": "#ff9c66", "m2": "#5fd39a", "m3": "#d3a0f0", "m4": "#e5c04f",
    "m5": "#ff8fb8", "m6": "#5fd0e2", "m7": "#aab2bf",
}  # fmt: skip
MODELS = [LIGHT[f"m{number}"] for number in range(8)]
