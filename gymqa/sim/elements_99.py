"""The repertoire of 99 elements in 14 sets; names are FineGym's or follow its grammar."""

from gymqa.sim.elements import Entry, Shape, SimElement

_ON: dict[Entry, str] = {
    "round-off": "round-off, flic-flac on, ",
    "round-off, half turn": "round-off, flic-flac with 0.5 turn on, ",
    "handspring": "handspring forward on, ",
}


def _vault(entry: Entry, shape: Shape, direction: int, turns: float = 0.0) -> SimElement:
    way = {1: "forward", -1: "backward"}[direction]
    name = f"{_ON[entry]}{shape} salto {way}{_with(turns, 'turn')} off"
    return SimElement(1, name, "vault", direction, 1, turns, shape, entry=entry)


def _tsukahara(shape: Shape, turns: float = 0.0) -> SimElement:
    name = f"tsukahara {shape}{_with(turns, 'turn')}"
    return SimElement(1, name, "vault", -1, 1, turns, shape, entry="tsukahara")


def _salto(set_id: int, direction: int, shape: Shape, turns: float = 0.0, saltos: int = 1) -> SimElement:
    """A salto on the floor or the beam, or off the beam."""
    way = {1: "forward", -1: "backward"}[direction]
    name = f"{'double ' * (saltos == 2)}salto {way} {shape}{_with(turns, 'twist')}"
    return SimElement(set_id, name, "dismount" if set_id == 35 else "salto", direction, saltos, turns, shape)


def _leap(set_id: int, name: str, shape: Shape, turns: float = 0.0) -> SimElement:
    """A leap or jump; those from one foot travel forward."""
    direction = 1 if shape in ("switch", "leap") else 0
    return SimElement(set_id, name + _with(turns, "turn"), "leap", direction, turns=turns, shape=shape)


def _turn(set_id: int, turns: float, shape: Shape) -> SimElement:
    """A turn on one leg; the shape is the position of the free leg."""
    how = {
        "below horizontal": "on one leg, free leg optional below horizontal",
        "at horizontal": "with heel of free leg forward at horizontal throughout turn",
        "upward": "with free leg held upward in 180 split position throughout turn",
        "tuck stand": "in tuck stand on one leg, free leg straight throughout turn",
    }[shape]
    return SimElement(set_id, f"{turns:g} turn {how}", "turn", turns=turns, shape=shape)


def _circle(name: str, direction: int, turns: float = 0.0, shape: Shape = "stretched") -> SimElement:
    way = {1: "forward", -1: "backward"}[direction]
    plain_giant = shape == "stretched" and not turns
    end = "" if plain_giant else f"{_with(turns, 'turn')} to handstand"
    return SimElement(41, f"{name} {way}{end}", "circle", direction, turns=turns, shape=shape)


def _release(name: str, direction: int, shape: Shape, saltos: int, turns: float = 0.0) -> SimElement:
    return SimElement(42, name, "release", direction, saltos, turns, shape)


def _bar_dismount(direction: int, shape: Shape, turns: float = 0.0, saltos: int = 2) -> SimElement:
    swing, way = {1: ("backward", "forward"), -1: ("forward", "backward")}[direction]
    name = f"(swing {swing}) {'double ' * (saltos == 2)}salto {way} {shape}{_with(turns, 'turn')}"
    return SimElement(44, name, "bar dismount", direction, saltos, turns, shape)


def _with(turns: float, what: str) -> str:
    return f" with {turns:g} {what}" if turns else ""


GYMSIM99: tuple[SimElement, ...] = (
    _vault("round-off", "tucked", -1),
    _vault("round-off", "piked", -1),
    _vault("round-off", "stretched", -1),
    _vault("round-off", "stretched", -1, 0.5),
    _vault("round-off", "stretched", -1, 1),
    _vault("round-off", "stretched", -1, 2),
    _vault("round-off, half turn", "piked", 1),
    _vault("round-off, half turn", "stretched", 1, 0.5),
    _vault("handspring", "tucked", 1),
    _vault("handspring", "piked", 1),
    _vault("handspring", "stretched", 1, 0.5),
    _vault("handspring", "stretched", 1, 1),
    _tsukahara("tucked"),
    _tsukahara("stretched", 1),
    _leap(21, "split jump", "split"),
    _leap(21, "split jump", "split", 0.5),
    _leap(21, "split jump", "split", 1),
    _leap(21, "straddle pike jump", "straddle"),
    _leap(21, "wolf hop or jump", "wolf"),
    _leap(21, "wolf hop or jump", "wolf", 1),
    _leap(21, "tuck hop or jump", "tucked", 1),
    _leap(21, "tuck hop or jump", "tucked", 2),
    _leap(21, "switch leap", "switch"),
    _leap(21, "switch leap", "switch", 0.5),
    _leap(21, "split leap forward", "leap"),
    _turn(22, 1, "below horizontal"),
    _turn(22, 2, "below horizontal"),
    _turn(22, 3, "below horizontal"),
    _turn(22, 1, "upward"),
    _turn(22, 2, "upward"),
    _turn(22, 1, "tuck stand"),
    _salto(24, 1, "tucked"),
    _salto(24, 1, "piked"),
    _salto(24, 1, "stretched"),
    _salto(24, 1, "stretched", 0.5),
    _salto(24, 1, "stretched", 1),
    _salto(24, 1, "stretched", 2),
    _salto(24, 1, "tucked", saltos=2),
    SimElement(24, "aerial walkover forward", "salto", 1, 1, shape="split", step_out=True),
    _salto(25, -1, "tucked"),
    _salto(25, -1, "stretched"),
    _salto(25, -1, "stretched", 0.5),
    _salto(25, -1, "stretched", 1),
    _salto(25, -1, "stretched", 1.5),
    _salto(25, -1, "stretched", 2),
    _salto(25, -1, "stretched", 3),
    _salto(25, -1, "tucked", saltos=2),
    _salto(25, -1, "piked", saltos=2),
    _salto(25, -1, "stretched", saltos=2),
    _leap(31, "split jump", "split"),
    _leap(31, "split jump", "split", 0.5),
    _leap(31, "straddle pike jump", "straddle"),
    _leap(31, "wolf hop or jump", "wolf"),
    _leap(31, "tuck hop or jump", "tucked", 1),
    _leap(31, "switch leap", "switch"),
    _leap(31, "split leap forward", "leap"),
    _turn(32, 1, "below horizontal"),
    _turn(32, 1.5, "below horizontal"),
    _turn(32, 2, "below horizontal"),
    _turn(32, 1, "at horizontal"),
    _turn(32, 2, "tuck stand"),
    _salto(33, 1, "tucked"),
    _salto(33, -1, "tucked"),
    _salto(33, -1, "piked"),
    SimElement(33, "salto backward stretched-step out", "salto", -1, 1, step_out=True),
    SimElement(33, "free aerial walkover forward", "salto", 1, 1, shape="split", step_out=True),
    SimElement(33, "free aerial cartwheel", "salto", 1, 1, shape="cartwheel"),
    SimElement(34, "flic-flac to land on both feet", "handspring", -1),
    SimElement(34, "flic-flac with step-out", "handspring", -1, shape="split", step_out=True),
    SimElement(34, "handspring forward with flight to land on both legs", "handspring", 1),
    SimElement(34, "round-off", "handspring", 1, turns=0.5, shape="cartwheel"),
    _salto(35, 1, "tucked"),
    _salto(35, 1, "stretched", 1),
    _salto(35, -1, "tucked"),
    _salto(35, -1, "stretched", 2),
    _salto(35, -1, "tucked", saltos=2),
    _circle("giant circle", -1),
    _circle("giant circle", -1, 0.5),
    _circle("giant circle", -1, 1),
    _circle("giant circle", 1),
    _circle("giant circle", 1, 0.5),
    _circle("clear hip circle", -1, shape="clear hip"),
    _circle("clear hip circle", 1, shape="clear hip"),
    _circle("stalder", -1, shape="stalder"),
    _circle("stalder", 1, shape="stalder"),
    _circle("pike sole circle", -1, shape="sole"),
    _release("counter straddle over high bar to hang", -1, "straddle", 0),
    _release("counter straddle over high bar with 0.5 turn to hang", -1, "straddle", 0, 0.5),
    _release("(swing backward) salto forward straddled to hang on high bar", 1, "straddle", 1),
    _release("(swing backward) salto forward piked to hang on high bar", 1, "piked", 1),
    _release("(swing forward) salto backward stretched with 0.5 turn to hang on high bar", -1, "stretched", 1, 0.5),
    SimElement(43, "transition flight from high bar to low bar", "transition", -1),
    SimElement(43, "transition flight from low bar to high bar", "transition", 1),
    _bar_dismount(-1, "tucked"),
    _bar_dismount(-1, "tucked", 1),
    _bar_dismount(-1, "piked"),
    _bar_dismount(-1, "stretched"),
    _bar_dismount(1, "tucked"),
    _bar_dismount(-1, "stretched", 2, saltos=1),
)
