from .published import list_published, published

__all__ = ["list_published", "published"]
