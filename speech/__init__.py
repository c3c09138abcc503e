"""The engine: audio in, words out. It knows no job, no database and no queue.

>>> from speech.engine import Engine
>>> engine = Engine.load(Path("models/hi-ctc-base"))
>>> for segment in engine.transcribe("recording.wav"):
...     print(segment.start, segment.text)

Nothing is imported here, so that `speech.text` or `modelkit.scoring` cost neither onnxruntime nor matplotlib.
"""
