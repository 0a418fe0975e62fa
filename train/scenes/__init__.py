"""Rendered people with exact labels: scenes, training pictures, the demo clip.

The people are MakeHuman's CC0 meshes, dressed and moved by linear blend skinning; the motion is
that of the CMU motion capture database or procedural gestures; VTK draws them (see ``render``).
Nothing of this is needed to run posemo_ros.

    python -m train scenes demo --out demo/
    python -m train scenes pictures --count 500 --out DIR --seed 1
"""
