import "./style.css";
import { about } from "./about.js";
import { home } from "./home.js";
import { notFound } from "./not-found.js";

const routes = { "/": home, "/about": about };
const base = import.meta.env.BASE_URL.replace(/\/$/, "");
const app = document.querySelector("#app");

/* The path within the application, without a trailing slash. */
function currentPath() {
  const path = location.pathname.slice(base.length).replace(/\/+$/, "");
  return path || "/";
}

function link(path, text) {
  const here = path === currentPath() ? ' aria-current="page"' : "";
  return `<a href="${base}${path}"${here}>${text}</a>`;
}

function render() {
  const page = routes[currentPath()] ?? notFound;
  app.innerHTML = `
    <header>
      <a class="brand" href="${base}/">
        <img src="${base}/davit.svg" alt="" width="36" height="36" /> davit
      </a>
      <nav>${link("/", "Home")} ${link("/about", "About")}</nav>
    </header>
    <main></main>
    <footer>
      Built by Vite in <code>${import.meta.env.MODE}</code> mode
      on <time datetime="${__BUILT_AT__}">${__BUILT_AT__.slice(0, 16).replace("T", " ")} UTC</time>
    </footer>`;
  document.title = `${page.title} · davit`;
  page.render(app.querySelector("main"));
}

/* A click on a link to a page of ours changes the address and draws the page,
   without asking the server. Everything else is the browser's affair. */
document.addEventListener("click", (event) => {
  const anchor = event.target.closest("a");
  if (
    !anchor ||
    anchor.origin !== location.origin ||
    anchor.target ||
    event.button !== 0 ||
    event.metaKey ||
    event.ctrlKey ||
    event.shiftKey ||
    event.altKey
  ) {
    return;
  }
  event.preventDefault();
  if (anchor.href !== location.href) history.pushState(null, "", anchor.href);
  render();
});

addEventListener("popstate", render);
render();
