"""Pictures of what the chain found: 2D overlay and 3D view.

Colours are chosen for colour-blind readers: the left side of a body is blue, the right side
orange, trunk, box and tag have the person's own colour, which belongs to the id.

    picture = overlay(image, people, emotions)
    view = fit_view([skeletons.joints])
    beside = scene(skeletons, (480, 480), view)
"""

from .overlay import draw_people, overlay
from .privacy import Background, Privacy
from .scene import View3D, fit_view, scene
from .style import EMOTION_COLOURS, LEFT, RIGHT, person_colour

__all__ = [
    "EMOTION_COLOURS",
    "LEFT",
    "RIGHT",
    "Background",
    "Privacy",
    "View3D",
    "draw_people",
    "fit_view",
    "overlay",
    "person_colour",
    "scene",
]
