export const about = {
  title: "About",
  render(main) {
    main.innerHTML = `
      <section>
        <h1>About</h1>
        <p>
          There is no file for this page: the server answers
          <code>/about</code> with <code>index.html</code>, and the script
          reads the address. Reload to try it.
        </p>
        <dl>
          <dt>Address</dt>
          <dd><code class="address"></code></dd>
          <dt>Mode</dt>
          <dd><code>${import.meta.env.MODE}</code></dd>
          <dt>Base</dt>
          <dd><code>${import.meta.env.BASE_URL}</code></dd>
          <dt>Greeting</dt>
          <dd><code class="greeting"></code></dd>
        </dl>
      </section>`;
    main.querySelector(".address").textContent = location.href;
    main.querySelector(".greeting").textContent =
      import.meta.env.VITE_GREETING ?? "set VITE_GREETING for the build";
  },
};
